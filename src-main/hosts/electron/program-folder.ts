import path from 'node:path';

export interface ProgramPlace {
  readonly platform: NodeJS.Platform;
  readonly execPath: string;
  /** Set by the AppImage runtime: the file itself, whose contents are mounted elsewhere. */
  readonly appImage: string | undefined;
}

/** The folder a user sees the packaged program in; a `data` folder there makes it portable. */
export function programFolder(
  place: ProgramPlace = {
    platform: process.platform,
    execPath: process.execPath,
    appImage: process.env['APPIMAGE'],
  },
): string {
  const { platform, execPath, appImage } = place;
  if (appImage !== undefined && appImage !== '') return path.posix.dirname(appImage);
  if (platform === 'win32') return path.win32.dirname(execPath);
  // Lab.app/Contents/MacOS/Lab stands beside the bundle's folder.
  if (platform === 'darwin') return path.posix.resolve(path.posix.dirname(execPath), '../../..');
  return path.posix.dirname(execPath);
}
