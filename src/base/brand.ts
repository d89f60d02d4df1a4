declare const brand: unique symbol;

/** A value that was checked once, at the edge; nothing downstream needs to check it again. */
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };
