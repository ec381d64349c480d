/** Software objects as the kernel published them: sysfs, VDEVs, VFIO descriptors, domains, PASID sets. */
import type { Section, TreeNode, ViewId, ViewModel } from '../../protocol/views.ts';
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

function nodesOf(folder: Folder, path: string): readonly TreeNode[] {
  return [...folder.children.entries()].map(([name, child]) => {
    const id = `${path}/${name}`;
    const children = nodesOf(child, id);
    return {
      id,
      title: name,
      ...(child.value === undefined ? {} : { subtitle: sysfsText(child.value) }),
      ...(children.length === 0 ? {} : { children }),
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

/** One list of published objects, each with its properties. */
function objectsView(
  context: ViewContext,
  view: ViewId,
  title: string,
  prefixes: readonly string[],
  empty: string,
): ViewModel {
  const { software } = context.machine;
  const wanted = context.params.filter ?? '';
  const entries = prefixes
    .flatMap((prefix) => software.entries(prefix))
    .filter(([key]) => key.includes(wanted));
  const sections = entries.map(([key, value]): Section => {
    const fields = record(value);
    return {
      kind: 'keyvalue',
      id: key,
      title: key,
      rows:
        fields === undefined
          ? [{ key: 'value', value: inline(value) }]
          : Object.entries(fields).map(([name, v]) => ({ key: name, value: inline(v) })),
    };
  });
  return {
    view,
    title,
    sections,
    ...(sections.length === 0 ? { empty } : { subtitle: `${sections.length} objects` }),
  };
}

export function vdevView(context: ViewContext): ViewModel {
  return objectsView(
    context,
    'vdev',
    'Virtual devices',
    ['mdev/', 'vdev/'],
    'No VDEV exists. Writing a UUID to a type’s create file in sysfs makes one.',
  );
}

export function vfioView(context: ViewContext): ViewModel {
  return objectsView(
    context,
    'vfio',
    'VFIO file descriptors',
    ['fd/', 'vfio/'],
    'No file is open. User space opens a container and a group, or a device node.',
  );
}

export function domainsView(context: ViewContext): ViewModel {
  return objectsView(
    context,
    'domains',
    'IOMMU domains',
    ['iommu/domain/', 'domain/'],
    'No domain exists. iommu_domain_alloc creates one.',
  );
}

export function ioasidView(context: ViewContext): ViewModel {
  return objectsView(
    context,
    'ioasid',
    'PASID allocations',
    ['ioasid/', 'pasid/', 'iommu/pasid/'],
    'No PASID is allocated.',
  );
}
