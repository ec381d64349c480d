/** What all checks of a run together say: `error` when a check itself failed, or when the scripts could not start. */
export type LabStatus = 'pass' | 'fail' | 'error';
