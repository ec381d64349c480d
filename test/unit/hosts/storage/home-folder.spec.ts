import { describe, expect, it } from 'vitest';
import { findHomeFolder } from '../../../../src-main/hosts/storage/home-folder.ts';

const linux = {
  platform: 'linux',
  env: {},
  homedir: '/home/lea',
  exists: () => false,
} as const;

describe('findHomeFolder', () => {
  it('obeys SIOV_LAB_HOME before all', () => {
    const search = { ...linux, env: { SIOV_LAB_HOME: '/srv/lab' }, programFolder: '/opt/lab' };
    expect(findHomeFolder({ ...search, exists: () => true })).toBe('/srv/lab');
  });

  it('uses a data folder beside the program', () => {
    const exists = (file: string): boolean => file === '/media/stick/lab/data';
    expect(findHomeFolder({ ...linux, programFolder: '/media/stick/lab', exists })).toBe(
      '/media/stick/lab/data',
    );
  });

  it('falls back to the folder of the system', () => {
    expect(findHomeFolder({ ...linux, programFolder: '/opt/lab' })).toBe(
      '/home/lea/.local/share/siov-lab',
    );
    expect(findHomeFolder({ ...linux, env: { XDG_DATA_HOME: '/data' } })).toBe('/data/siov-lab');
    expect(findHomeFolder({ ...linux, platform: 'darwin', homedir: '/Users/lea' })).toBe(
      '/Users/lea/Library/Application Support/S-IOV Lab',
    );
    const windows = { ...linux, platform: 'win32', homedir: String.raw`C:\Users\lea` } as const;
    expect(findHomeFolder({ ...windows, env: { APPDATA: String.raw`D:\Roaming` } })).toBe(
      String.raw`D:\Roaming\S-IOV Lab`,
    );
    expect(findHomeFolder(windows)).toBe(String.raw`C:\Users\lea\AppData\Roaming\S-IOV Lab`);
  });
});
