/** A JSON value as it travels in bundles: no undefined, no dates, no bigint. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
