/** @file Answers piece by piece, as server-sent events. */
import { AppError } from "../base/errors.ts";
import { tellError } from "./errors.ts";

/** How much of an answer may wait for a client that does not read it. */
export const streamLimits = { waitingBytes: 2 * 2 ** 20 } as const;

/** Sends one event. */
export type Send = (data: unknown) => void;

/** `ended` resolves when nothing more is sent, with what went wrong after the first event. */
export type EventStream = { readonly response: Response; readonly ended: Promise<unknown> };

/**
 * Runs `work` and sends what it sends. What goes wrong before the first event is thrown, so that the status can say it; what goes wrong
 * later is an event of its own.
 * @param onCancel called where the client goes away, and where it leaves more than `waitingBytes` unread: then the stream ends, saying so
 */
export async function eventStream(
  work: (send: Send) => Promise<void>,
  onCancel: () => void,
  { waitingBytes }: { readonly waitingBytes: number } = streamLimits,
): Promise<EventStream> {
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>(
    {
      start(made) {
        controller = made;
      },
      cancel() {
        controller = undefined;
        onCancel();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: waitingBytes }),
  );
  const put = (text: string): void => controller?.enqueue(encoder.encode(`data: ${text}\n\n`));
  /** What waits can still be read. */
  const end = (): void => {
    put("[DONE]");
    controller?.close();
    controller = undefined;
  };
  let wrong: unknown;
  const write = (text: string): void => {
    put(text);
    if (controller === undefined || controller.desiredSize! >= 0) return;
    wrong = new AppError(
      "E_LIMIT",
      `stream: more than ${waitingBytes} bytes wait for a client that does not read them`,
    );
    put(JSON.stringify(tellError(wrong).body));
    end();
    onCancel();
  };
  let tellEnd: (wrong: unknown) => void = () => undefined;
  const ended = new Promise<unknown>((done) => {
    tellEnd = done;
  });
  await new Promise<void>((begun, failed) => {
    let hasBegun = false;
    const send: Send = (data) => {
      hasBegun = true;
      write(JSON.stringify(data));
      begun();
    };
    work(send)
      .catch((error: unknown) => {
        if (!hasBegun) throw error;
        wrong ??= error;
        write(JSON.stringify(tellError(error).body));
      })
      .then(() => {
        end();
        begun();
      })
      .catch(failed)
      .finally(() => tellEnd(wrong));
  });
  const response = new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
  });
  return { response, ended };
}
