export type MenuEntry =
  | {
      readonly kind: 'item';
      readonly id: string;
      readonly title: string;
      readonly note?: string | undefined;
      readonly isChosen?: boolean | undefined;
    }
  | { readonly kind: 'label'; readonly id: string; readonly title: string }
  | { readonly kind: 'separator'; readonly id: string };
