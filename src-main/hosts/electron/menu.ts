import { Menu } from 'electron';
import type { MenuItemConstructorOptions } from 'electron';
import type { MenuCommand } from '../../protocol/bridge.ts';
import { menuTexts } from './menu-texts.ts';

/** The keys the page itself answers to; the menu shows them and works where the page has no focus. */
const ACCELERATORS: Partial<Readonly<Record<MenuCommand, string>>> = {
  'file.save': 'CmdOrCtrl+S',
  'run.start': 'F5',
  'run.stop': 'Shift+F5',
  'run.step-over': 'F10',
  'run.step-back': 'Shift+F10',
  'run.step-into': 'F11',
  'run.step-out': 'Shift+F11',
  'view.command-palette': 'CmdOrCtrl+K',
};

export interface MenuOptions {
  readonly isMac: boolean;
  readonly locale: string;
  /** Developer tools are for those who work on the program. */
  readonly hasDevTools: boolean;
  readonly send: (command: MenuCommand) => void;
}

export function menuTemplate(options: MenuOptions): MenuItemConstructorOptions[] {
  const text = menuTexts(options.locale);
  const separator: MenuItemConstructorOptions = { type: 'separator' };
  const item = (command: MenuCommand): MenuItemConstructorOptions => {
    const accelerator = ACCELERATORS[command];
    return {
      id: command,
      label: text[command],
      click: () => options.send(command),
      ...(accelerator === undefined ? {} : { accelerator }),
    };
  };
  const roles = (...names: NonNullable<MenuItemConstructorOptions['role']>[]) =>
    names.map((role): MenuItemConstructorOptions => ({ role }));

  return [
    ...(options.isMac ? roles('appMenu') : []),
    {
      label: text.file,
      submenu: [
        item('file.home'),
        item('file.save'),
        separator,
        ...roles(options.isMac ? 'close' : 'quit'),
      ],
    },
    {
      label: text.edit,
      submenu: [...roles('undo', 'redo'), separator, ...roles('cut', 'copy', 'paste', 'selectAll')],
    },
    {
      label: text.run,
      submenu: [
        item('run.start'),
        item('run.pause'),
        item('run.stop'),
        separator,
        item('run.step-over'),
        item('run.step-into'),
        item('run.step-out'),
        item('run.step-back'),
      ],
    },
    {
      label: text.view,
      submenu: [
        item('view.command-palette'),
        item('view.next-theme'),
        item('view.reset-layout'),
        separator,
        ...roles('resetZoom', 'zoomIn', 'zoomOut', 'togglefullscreen'),
        ...(options.hasDevTools ? [separator, ...roles('reload', 'toggleDevTools')] : []),
      ],
    },
    ...(options.isMac ? roles('windowMenu') : []),
    {
      label: text.help,
      role: 'help',
      submenu: [item('help.shortcuts'), item('help.about')],
    },
  ];
}

export function setupMenu(options: MenuOptions): void {
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(options)));
}
