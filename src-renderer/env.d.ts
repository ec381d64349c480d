/// <reference types="vite/client" />

export {};

declare module '@vue/runtime-dom' {
  /** Hooks for tests and for our own lookups. */
  interface HTMLAttributes {
    [key: `data-${string}`]: string | number | boolean | null | undefined;
  }
}

declare module 'vue' {
  /** Attributes that fall through to the root element of a component. */
  interface ComponentCustomProps {
    dataTestid?: string | undefined;
    dataIndex?: number | undefined;
    'aria-current'?: 'true' | undefined;
    'aria-describedby'?: string | undefined;
  }
}
