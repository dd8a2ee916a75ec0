/** @file What a store in a bucket uses of `@aws-sdk/client-s3`. The package is optional, so what is written here compiles without it. */
declare module "@aws-sdk/client-s3" {
  type At = { readonly Bucket: string; readonly Key: string };
  type Listing = {
    readonly Bucket: string;
    readonly Prefix: string;
    readonly MaxKeys?: number;
    readonly ContinuationToken?: string;
  };
  type Writing = At & {
    readonly Body: string;
    readonly ContentType: string;
    readonly IfMatch?: string;
    readonly IfNoneMatch?: string;
  };
  type Settings = {
    readonly endpoint?: string;
    readonly forcePathStyle?: boolean;
    readonly region?: string;
    readonly maxAttempts: number;
    readonly requestHandler: Readonly<Record<string, number | boolean>>;
    readonly requestChecksumCalculation: "WHEN_REQUIRED";
    readonly responseChecksumValidation: "WHEN_REQUIRED";
  };

  /** Names the type of its answer. */
  class Command<Answer> {
    private readonly answer: Answer;
  }
  export type GetObjectCommandOutput = {
    readonly ETag?: string;
    readonly ContentLength?: number;
    readonly Body?: AsyncIterable<Uint8Array> & { destroy(): void };
  };
  export type ListObjectsV2CommandOutput = {
    readonly IsTruncated?: boolean;
    readonly NextContinuationToken?: string;
    readonly Contents?: readonly { readonly Key?: string; readonly ETag?: string; readonly LastModified?: Date }[];
  };
  export class GetObjectCommand extends Command<GetObjectCommandOutput> {
    constructor(at: At);
  }
  export class PutObjectCommand extends Command<{ readonly ETag?: string }> {
    constructor(what: Writing);
  }
  export class DeleteObjectCommand extends Command<unknown> {
    constructor(at: At & { readonly IfMatch?: string });
  }
  export class ListObjectsV2Command extends Command<ListObjectsV2CommandOutput> {
    constructor(what: Listing);
  }
  export class S3Client {
    constructor(settings: Settings);
    send<Answer>(command: Command<Answer>): Promise<Answer>;
  }
}
