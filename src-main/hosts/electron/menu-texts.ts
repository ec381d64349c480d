import type { MenuCommand } from '../../protocol/bridge.ts';

type MenuText = MenuCommand | 'file' | 'edit' | 'run' | 'view' | 'help';

const ENGLISH: Readonly<Record<MenuText, string>> = {
  file: '&File',
  edit: '&Edit',
  run: '&Run',
  view: '&View',
  help: '&Help',
  'file.home': 'Course Map',
  'file.save': 'Save',
  'run.start': 'Run or Continue',
  'run.pause': 'Pause',
  'run.stop': 'Stop',
  'run.step-over': 'Step Over',
  'run.step-into': 'Step Into',
  'run.step-out': 'Step Out',
  'run.step-back': 'Step Back',
  'view.command-palette': 'Commands…',
  'view.next-theme': 'Next Theme',
  'view.reset-layout': 'Reset Layout',
  'help.shortcuts': 'Keyboard Shortcuts',
  'help.about': 'About S-IOV Lab',
};

const CHINESE: Readonly<Record<MenuText, string>> = {
  file: '文件(&F)',
  edit: '编辑(&E)',
  run: '运行(&R)',
  view: '视图(&V)',
  help: '帮助(&H)',
  'file.home': '课程地图',
  'file.save': '保存',
  'run.start': '运行或继续',
  'run.pause': '暂停',
  'run.stop': '停止',
  'run.step-over': '单步跳过',
  'run.step-into': '单步进入',
  'run.step-out': '单步跳出',
  'run.step-back': '后退一步',
  'view.command-palette': '命令…',
  'view.next-theme': '下一个主题',
  'view.reset-layout': '重置布局',
  'help.shortcuts': '键盘快捷键',
  'help.about': '关于 S-IOV Lab',
};

/** Texts of the menu bar in the language of the system. */
export function menuTexts(locale: string): Readonly<Record<MenuText, string>> {
  return locale.toLowerCase().startsWith('zh') ? CHINESE : ENGLISH;
}
