/** The machine of `siov-lab run` when none is named: one accelerator behind an IOMMU in scalable mode. */
export const DEFAULT_MACHINE = JSON.stringify({
  name: 'one-accelerator',
  memory: { bytes: '512 MiB' },
  cpus: 2,
  iommu: { profile: 'lab' },
  devices: [{ kind: 'dsa', name: 'dsa0', bdf: '6a:01.0' }],
  processes: [{ name: 'app' }],
});
