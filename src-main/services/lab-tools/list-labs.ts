/** `lab list`: the course as data. */
import type { LabTools } from './lab-tools.ts';

export interface LabListing {
  readonly labs: readonly {
    readonly id: string;
    readonly title: string;
    readonly minutes: number;
    readonly level: string;
    readonly needs: readonly string[];
    readonly concepts: readonly string[];
    readonly summary: string;
    readonly profiles: readonly string[];
    readonly seeds: readonly number[];
    readonly folder: string;
  }[];
}

/** Labs that can be used, in the order of the course. */
export function listLabs({ course }: LabTools): LabListing {
  return {
    labs: course.labs.flatMap(({ lab }) =>
      lab === undefined
        ? []
        : [
            {
              id: lab.id,
              title: lab.title,
              minutes: lab.minutes,
              level: lab.level,
              needs: lab.needs,
              concepts: lab.concepts,
              summary: lab.summary,
              profiles: lab.profiles,
              seeds: lab.seeds,
              folder: lab.folder,
            },
          ],
    ),
  };
}
