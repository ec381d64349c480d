/** Links of guides and views: `view:pasid-table?rid=00:03.0`, `term:adi`, `event:last(iommu.fault.recorded)`. */
import { VIEW_IDS, type ViewId, type ViewParams } from '../../src-main/protocol/views.ts';
import { parseHex } from './hex.ts';
import { parseRid } from './refs.ts';

export type LabLink =
  | { readonly kind: 'view'; readonly view: ViewId; readonly params: ViewParams }
  | { readonly kind: 'term'; readonly id: string }
  | { readonly kind: 'event'; readonly event: number }
  | { readonly kind: 'last-event'; readonly eventKind: string }
  | { readonly kind: 'lab'; readonly id: string }
  | { readonly kind: 'file'; readonly path: string; readonly line: number }
  | { readonly kind: 'external'; readonly url: string };

export function isViewId(text: string): text is ViewId {
  return VIEW_IDS.some((id) => id === text);
}

/** Null when the link has no known form; the text is then shown without a link. */
export function parseLabLink(href: string): LabLink | null {
  if (/^https?:\/\//i.test(href)) return { kind: 'external', url: href };
  const at = href.indexOf(':');
  if (at < 0) return null;
  const rest = decodeURIComponent(href.slice(at + 1));
  switch (href.slice(0, at)) {
    case 'view':
      return parseViewLink(rest);
    case 'term':
      return rest === '' ? null : { kind: 'term', id: rest };
    case 'event':
      return parseEventLink(rest);
    case 'lab':
      return rest === '' ? null : { kind: 'lab', id: rest };
    case 'script':
      return parseScriptLink(rest);
    default:
      return null;
  }
}

function parseScriptLink(text: string): LabLink | null {
  const match = /^([A-Za-z0-9._-]+\.ts)(?:[:#]L?(\d+))?$/.exec(text);
  if (match === null) return null;
  return { kind: 'file', path: match[1] ?? '', line: Number(match[2] ?? 1) };
}

function parseEventLink(text: string): LabLink | null {
  const last = /^last\(([a-z0-9.*-]+)\)$/.exec(text);
  if (last !== null) return { kind: 'last-event', eventKind: last[1] ?? '' };
  return /^\d+$/.test(text) ? { kind: 'event', event: Number(text) } : null;
}

function parseViewLink(text: string): LabLink | null {
  const [view = '', query = ''] = text.split('?', 2);
  if (!isViewId(view)) return null;
  return { kind: 'view', view, params: parseViewParams(new URLSearchParams(query)) };
}

function parseCount(text: string): number | null {
  const value = Number(text);
  return Number.isInteger(value) && value >= 0 ? value : null;
}

/** One parameter as the boundary wants it; null when the text does not fit it. */
export function toViewParam(name: keyof ViewParams, text: string): ViewParams | null {
  switch (name) {
    case 'rid': {
      const rid = parseRid(text);
      return rid === null ? null : { rid };
    }
    case 'address': {
      const address = parseHex(text);
      return address === null ? null : { address };
    }
    case 'pasid':
    case 'length':
    case 'event': {
      const count = parseCount(text);
      return count === null ? null : { [name]: count };
    }
    case 'access':
      return text === 'read' || text === 'write' || text === 'execute' ? { access: text } : null;
    case 'unit':
    case 'queue':
    case 'filter':
      return { [name]: text };
  }
}

const PARAM_NAMES = [
  'rid',
  'pasid',
  'unit',
  'queue',
  'address',
  'length',
  'access',
  'event',
  'filter',
] as const satisfies readonly (keyof ViewParams)[];

function parseViewParams(query: URLSearchParams): ViewParams {
  let params: ViewParams = {};
  for (const name of PARAM_NAMES) {
    const text = query.get(name);
    if (text === null) continue;
    params = { ...params, ...toViewParam(name, text) };
  }
  return params;
}
