/**
 * @file What a store's files lie in: a folder, or a bucket. A key is a path with "/" in it, as "names/main/triage.json".
 *
 * A file is read and written whole. What was read has a tag that names its content, and a file can be written on the condition that its
 * content is still the one of a tag.
 */

export type StoredFile = { readonly bytes: Uint8Array; readonly tag: string };

export type ListedFile = {
  readonly key: string;
  /** When it was last written, in milliseconds since 1970; undefined where `graceMs` is 0. */
  readonly changedMs?: number;
};

export type Read = (key: string, maxBytes: number) => Promise<StoredFile | undefined>;

export type Storage = {
  /** undefined: there is none. In a bucket it may be what was there a moment ago. Throws E_LIMIT, E_IO. */
  read: Read;
  /** The same as it is now. */
  readNow: Read;
  /** The files whose key begins so, in alphabetical order. @param prefix up to a "/" and with it; in a bucket any */
  list(prefix: string): Promise<readonly ListedFile[]>;
  /** The one way to write. In a folder one change is made at a time, whichever process makes it. */
  change<T>(work: (writer: Writer) => Promise<T>): Promise<T>;
  /**
   * How long a file that nothing points to is left alone, for another machine may be about to point to it; 0 where changes are made one at a
   * time.
   */
  readonly graceMs: number;
  /** Throws E_IO where it cannot be reached. */
  check(): Promise<void>;
};

export type Writer = {
  /** Appears whole or not at all, whatever was there. Throws E_IO. */
  put(key: string, content: string): Promise<void>;
  /**
   * The same on the condition that the content is the one of this tag; undefined: that there is none. Another content leaves it as it is.
   * @returns whether it was written
   */
  swap(key: string, content: string, tag: string | undefined): Promise<boolean>;
  /** What is not there is no error. */
  remove(key: string): Promise<void>;
  /**
   * The same on the condition that the content is still the one of this tag. A bucket whose server has no such condition removes what is there.
   * @returns whether nothing is there now
   */
  removeSame(key: string, tag: string): Promise<boolean>;
};
