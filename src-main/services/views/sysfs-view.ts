/** The tree of /sys as the kernel published it. */
import type { TreeNode, ViewModel } from '../../protocol/views.ts';
import type { PlainData } from '../../sim/index.ts';
import { inline, record } from './plain-data.ts';
import type { ViewContext } from './view-context.ts';

interface Folder {
  readonly children: Map<string, Folder>;
  value?: PlainData;
}

function insert(root: Folder, path: readonly string[], value: PlainData): void {
  let folder = root;
  for (const name of path) {
    let next = folder.children.get(name);
    if (next === undefined) {
      next = { children: new Map() };
      folder.children.set(name, next);
    }
    folder = next;
  }
  folder.value = value;
}

/** A file shows its contents, a link where it points. */
function sysfsText(value: PlainData): string {
  const node = record(value);
  switch (node?.['kind']) {
    case 'directory':
      return '';
    case 'link':
      return `→ ${inline(node['target'])}`;
    case 'file':
      return node['value'] === undefined || node['value'] === null
        ? node['isWritable'] === true
          ? 'write only'
          : ''
        : inline(node['value']).trim();
    default:
      return inline(value);
  }
}

/** Some files have no text until somebody reads them: their driver makes it then. */
function contents(value: PlainData | undefined): string {
  const text = value === undefined || value === null ? '' : inline(value).trim();
  return text === '' ? 'made when the file is read' : text;
}

/** What `cat` and `ls -l` would say of a file. */
function fileDetail(id: string, value: PlainData | undefined): Pick<TreeNode, 'detail'> {
  const node = value === undefined ? undefined : record(value);
  if (node?.['kind'] !== 'file') {
    return {};
  }
  const isReadable = node['isReadable'] === true;
  const isWritable = node['isWritable'] === true;
  return {
    detail: [
      {
        kind: 'keyvalue',
        id: `${id}-file`,
        title: `/${id.replace(/^sysfs/, 'sys')}`,
        rows: [
          { key: 'Rights', value: `${isReadable ? 'r' : '-'}${isWritable ? 'w' : '-'}` },
          { key: 'Contents', value: isReadable ? contents(node['value']) : 'write only' },
        ],
      },
    ],
  };
}

function nodesOf(folder: Folder, path: string): readonly TreeNode[] {
  return [...folder.children.entries()].map(([name, child]) => {
    const id = `${path}/${name}`;
    const children = nodesOf(child, id);
    return {
      id,
      title: name,
      ...(child.value === undefined ? {} : { subtitle: sysfsText(child.value) }),
      ...(children.length === 0 ? {} : { children }),
      ...fileDetail(id, child.value),
    };
  });
}

export function sysfsView({ machine }: ViewContext): ViewModel {
  const root: Folder = { children: new Map() };
  for (const [key, value] of machine.software.entries('sysfs/')) {
    insert(
      root,
      key
        .slice('sysfs/'.length)
        .split('/')
        .filter((part) => part !== ''),
      value,
    );
  }
  return {
    view: 'sysfs',
    title: 'sysfs',
    sections: [
      {
        kind: 'tree',
        id: 'sysfs',
        nodes: nodesOf(root, 'sysfs'),
        empty:
          'Nothing is registered yet. A driver that registers an mdev parent makes its types appear here.',
      },
    ],
  };
}
