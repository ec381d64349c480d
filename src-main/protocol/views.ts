/**
 * View models: what a pane shows at one instant of the run.
 *
 * A pane is a list of sections, and every section is plain data. The renderer draws each kind of section once, so a new
 * pane is a new function in `services/views`, not a new component, and the command line prints the same model.
 * 64-bit values are `0x…` strings. `changed` marks what differs from the previous stop of the run.
 */

/** What a row, a field or a picture stands for. Selecting it anywhere selects it everywhere. */
export interface ObjectRefs {
  /** Requester ID as `0x6a08`. */
  readonly rid?: string;
  readonly pasid?: number;
  /** Sequence number of the trace record. */
  readonly event?: number;
  /** Device or unit instance, for example `dsa0`, `dmar0`. */
  readonly unit?: string;
  /** Work queue as `dsa0/wq1`. */
  readonly queue?: string;
  /** Physical address of the bytes behind the object. */
  readonly address?: string;
  /** Line of a learner's script. */
  readonly script?: { readonly path: string; readonly line: number };
}

/** A view to open: the target of links, of selections, of "show me" buttons. */
export interface ViewLink {
  readonly view: ViewId;
  readonly params?: ViewParams;
  readonly label: string;
}

/** State of an object, always shown as text or icon as well as colour. */
export type Tone = 'neutral' | 'good' | 'warning' | 'fault' | 'stale' | 'muted' | 'accent';

export interface FieldRow {
  readonly name: string;
  readonly title: string;
  /** `[63:12]`, high:low, absolute within the structure; several parts are joined with a comma. */
  readonly bits: string;
  readonly high: number;
  readonly low: number;
  /** The field's own value as hexadecimal. */
  readonly raw: string;
  /** Formatted value: a number, a name of an enumeration, an address. */
  readonly value: string;
  /** One sentence on what this value means here. */
  readonly meaning?: string;
  /** Document and section. */
  readonly source: string;
  readonly access?: string;
  readonly isReserved: boolean;
  /** A reserved-bit rule is broken by this field. */
  readonly isViolated?: boolean;
  readonly isChanged?: boolean;
  readonly link?: ViewLink;
}

export interface StructureSection {
  readonly kind: 'structure';
  readonly id: string;
  /** Declaration's name, for example `PasidTableEntry`. */
  readonly name: string;
  readonly title: string;
  readonly address?: string;
  readonly widthBits: number;
  /** The bytes as 32-bit words, lowest address first, each 8 hexadecimal digits. */
  readonly words: readonly string[];
  readonly fields: readonly FieldRow[];
  readonly source: string;
  readonly isChanged?: boolean;
  readonly refs?: ObjectRefs;
  readonly note?: string;
}

export interface TableColumn {
  readonly id: string;
  readonly title: string;
  /** Shown as a tooltip on the heading. */
  readonly help?: string;
  readonly align?: 'left' | 'right';
  readonly isMono?: boolean;
  /** Relative width. */
  readonly grow?: number;
}

export interface TableCell {
  readonly text: string;
  readonly tone?: Tone;
  readonly help?: string;
  readonly link?: ViewLink;
  /** 0 to 1: drawn as a bar behind the text (queue occupancy). */
  readonly fill?: number;
}

export interface TableRow {
  readonly id: string;
  readonly cells: readonly (string | TableCell)[];
  readonly tone?: Tone;
  readonly isChanged?: boolean;
  readonly refs?: ObjectRefs;
  /** Opens under the row. */
  readonly detail?: readonly Section[];
  readonly link?: ViewLink;
}

export interface TableSection {
  readonly kind: 'table';
  readonly id: string;
  readonly title?: string;
  readonly columns: readonly TableColumn[];
  readonly rows: readonly TableRow[];
  /** What an empty table says: what would be here and how to get it. */
  readonly empty: string;
  /** Rows that exist but were not sent. */
  readonly omittedRows?: number;
}

export interface KeyValueSection {
  readonly kind: 'keyvalue';
  readonly id: string;
  readonly title?: string;
  readonly rows: readonly {
    readonly key: string;
    readonly value: string;
    readonly help?: string;
    readonly tone?: Tone;
    readonly isChanged?: boolean;
    readonly link?: ViewLink;
  }[];
}

export interface TextSection {
  readonly kind: 'text';
  readonly id: string;
  readonly tone: Tone;
  readonly title?: string;
  /** Plain text; paragraphs are split by a blank line. */
  readonly text: string;
  readonly links?: readonly ViewLink[];
}

/** One read of a table on the way of a request. */
export interface WalkStep {
  readonly id: string;
  /** `root`, `context`, `pasid-directory`, `pasid-entry`, `first-stage`, `second-stage`, `cache`, `output`. */
  readonly stage:
    | 'request'
    | 'cache'
    | 'root'
    | 'context'
    | 'pasid-directory'
    | 'pasid-entry'
    | 'first-stage'
    | 'second-stage'
    | 'output';
  /** Paging level 5 to 1 where it is one. */
  readonly level?: number;
  readonly title: string;
  /** How the address of the entry came about: `PML4 index = IOVA[47:39] = 0x1fe`. */
  readonly index?: string;
  readonly address?: string;
  readonly value?: string;
  /** What the step gave: next pointer, rights, or why it stopped. */
  readonly outcome: string;
  readonly tone: Tone;
  readonly structure?: StructureSection;
  /** In a nested walk: the second-stage steps that translated this step's table address. */
  readonly nested?: readonly WalkStep[];
}

export interface WalkSection {
  readonly kind: 'walk';
  readonly id: string;
  readonly title: string;
  readonly request: {
    /** What kind of requester it is, where it is no PCI function. */
    readonly by?: string;
    readonly rid: string;
    readonly pasid?: number;
    readonly address: string;
    readonly access: string;
  };
  readonly steps: readonly WalkStep[];
  readonly result: {
    readonly ok: boolean;
    readonly text: string;
    readonly faultReason?: string;
    readonly source?: string;
  };
}

export interface TopologyNode {
  readonly id: string;
  readonly kind:
    | 'cpu'
    | 'memory'
    | 'iommu'
    | 'root-port'
    | 'device'
    | 'adi'
    | 'queue'
    | 'mdev'
    | 'vm'
    | 'process';
  readonly title: string;
  readonly subtitle?: string;
  readonly tone?: Tone;
  readonly isChanged?: boolean;
  readonly refs?: ObjectRefs;
  readonly link?: ViewLink;
  /** Enclosing node. */
  readonly parent?: string;
}

export interface TopologySection {
  readonly kind: 'topology';
  readonly id: string;
  readonly nodes: readonly TopologyNode[];
  readonly edges: readonly {
    readonly id: string;
    readonly from: string;
    readonly to: string;
    readonly label?: string;
    readonly tone?: Tone;
    readonly isDashed?: boolean;
  }[];
}

/** A drill-down: every node opens to its children, and may carry decoded bytes. */
export interface TreeNode {
  readonly id: string;
  readonly title: string;
  readonly subtitle?: string;
  readonly tone?: Tone;
  readonly isChanged?: boolean;
  readonly refs?: ObjectRefs;
  readonly children?: readonly TreeNode[];
  readonly detail?: readonly Section[];
  readonly link?: ViewLink;
}

export interface TreeSection {
  readonly kind: 'tree';
  readonly id: string;
  readonly title?: string;
  readonly nodes: readonly TreeNode[];
  readonly empty: string;
}

/** A block of memory, register space or packet bytes. */
export interface BytesSection {
  readonly kind: 'bytes';
  readonly id: string;
  readonly title?: string;
  readonly address: string;
  /** Two hexadecimal digits a byte, no separators. */
  readonly hex: string;
  /** Offsets whose bytes differ from the previous stop. */
  readonly changedOffsets?: readonly number[];
}

export interface ChartSection {
  readonly kind: 'chart';
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly xTitle: string;
  readonly x: readonly number[];
  readonly series: readonly {
    readonly title: string;
    readonly values: readonly (number | null)[];
  }[];
}

export type Section =
  | StructureSection
  | TableSection
  | KeyValueSection
  | TextSection
  | WalkSection
  | TopologySection
  | TreeSection
  | BytesSection
  | ChartSection;

/** The panes that the engine can fill. */
export const VIEW_IDS = [
  'topology',
  'pasid-table',
  'page-walk',
  'work-queues',
  'registers',
  'fault-records',
  'invalidation-queue',
  'page-request-queue',
  'context-cache',
  'pasid-cache',
  'iotlb',
  'device-tlb',
  'nested-walk',
  'interrupts',
  'posted-interrupts',
  'pci-config',
  'device-registers',
  'portals',
  'rings',
  'packets',
  'sharing-cost',
  'vdev',
  'vfio',
  'domains',
  'sysfs',
  'ept',
  'ioasid',
  'viommu',
  'page-requests',
  'isolation',
  'memory',
  'counters',
] as const;
export type ViewId = (typeof VIEW_IDS)[number];

/** Parameters of a view: which object it shows. All optional: a view without parameters shows the first of its kind. */
export interface ViewParams {
  readonly rid?: string;
  readonly pasid?: number;
  readonly unit?: string;
  readonly queue?: string;
  readonly address?: string;
  readonly length?: number;
  readonly access?: 'read' | 'write' | 'execute';
  readonly event?: number;
  readonly filter?: string;
}

export interface ViewModel {
  readonly view: ViewId;
  readonly title: string;
  readonly subtitle?: string;
  /** The choices of each parameter, for the pane's own selectors. */
  readonly choices?: readonly {
    readonly param: keyof ViewParams;
    readonly title: string;
    readonly value: string;
    readonly options: readonly { readonly value: string; readonly title: string }[];
    /** Free text besides the options (an IOVA, an address). */
    readonly isFreeText?: boolean;
  }[];
  readonly sections: readonly Section[];
  /** Shown when there are no sections: what would be here and how to get it. */
  readonly empty?: string;
  /** What of the real thing this view leaves out. */
  readonly notModelled?: string;
}
