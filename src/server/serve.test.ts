/** @file A service on a port: how it ends. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type Listening, listenOn } from "./serve.ts";

/** Nothing ends by itself: what a test waits for is what `close` does. */
const long = 2 ** 30;
const patience = { headersMs: long, requestMs: long, unreadMs: long, keepAliveMs: long, endingMs: long };
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

const listen = (fetch: Parameters<typeof listenOn>[0]): Promise<Listening> =>
  listenOn(fetch, { host: "127.0.0.1", port: 0, patience });

/** A connection on which so much was sent. */
async function open({ url }: Listening, text = ""): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => undefined); // it may be reset
  await once(socket, "connect");
  if (text !== "") socket.write(text);
  return socket;
}
const asked = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

test("the end waits for no connection that asks nothing: a new one, one with half a request, one that has its answer", async () => {
  const listening = await listen(() => new Response("whole"));
  const idle = await open(listening);
  const half = await open(listening, asked.slice(0, 20));
  const answered = await open(listening, asked);
  await once(answered, "data");
  const gone = [idle, half, answered].map((socket) => once(socket.resume(), "close"));
  await listening.close();
  await Promise.all(gone);
});

test("an answer under way is given whole, and its connection is closed then, though it could be asked again", async () => {
  let end = (): void => undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Buffer.from("first "));
      end = () => {
        controller.enqueue(Buffer.from("last"));
        controller.close();
      };
    },
  });
  const listening = await listen(() => new Response(body));
  const socket = await open(listening, asked);
  let text = "";
  const begun = new Promise<void>((done) => {
    socket.on("data", (piece) => {
      text += String(piece);
      if (text.includes("first")) done();
    });
  });
  const gone = once(socket, "close");
  await begun;
  const closed = listening.close();
  end();
  await Promise.all([closed, gone]);
  expect(text).toContain("last");
});

test("an answer that is begun while the service ends says that its connection is closed", async () => {
  let end: (response: Response) => void = () => undefined;
  const response = new Promise<Response>((done) => {
    end = done;
  });
  let isAsked = (): void => undefined;
  const called = new Promise<void>((done) => {
    isAsked = done;
  });
  const listening = await listen(() => {
    isAsked();
    return response;
  });
  const socket = await open(listening, asked);
  const gone = once(socket, "close");
  let text = "";
  socket.on("data", (piece) => {
    text += String(piece);
  });
  await called;
  const closed = listening.close();
  end(new Response("whole"));
  await Promise.all([closed, gone]);
  expect(text.toLowerCase()).toContain("connection: close");
  expect(text).toContain("whole");
});

test("an answer that its client has still to read is not cut off", async () => {
  const bytes = 64 * 2 ** 20; // more than the buffers of a connection hold
  const listening = await listen(() => new Response(new Uint8Array(bytes)));
  const socket = await open(listening, asked);
  await once(socket, "readable"); // begun, and not read on
  const closed = listening.close();
  let read = 0;
  socket.on("data", (piece: Buffer) => {
    read += piece.length;
  });
  await Promise.all([closed, once(socket, "close")]);
  expect(read).toBeGreaterThan(bytes);
});

test("a client that takes nothing of its answer is cut off, which calls the answer off; one whose answer is worked on, or that asks nothing yet, is not", async () => {
  let isCalledOff = (): void => undefined;
  const calledOff = new Promise<void>((done) => {
    isCalledOff = done;
  });
  const endless = (): ReadableStream<Uint8Array> =>
    new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(2 ** 16)),
      cancel: () => isCalledOff(),
    });
  let answer: (response: Response) => void = () => undefined;
  const worked = new Promise<Response>((done) => {
    answer = done;
  });
  const fetch = (request: Request) => (request.url.endsWith("/worked-on") ? worked : new Response(endless()));
  const listening = await listenOn(fetch, { host: "127.0.0.1", port: 0, patience: { ...patience, unreadMs: 20 } });
  const silent = await open(listening); // asks nothing yet
  const quiet = await open(listening, asked.replace("/", "/worked-on"));
  const unread = await open(listening, asked);
  await once(unread, "readable"); // begun, and not read on
  await calledOff; // later than the same time was over for the connections that were there before it
  const whole = once(quiet, "data");
  answer(new Response("whole"));
  expect(String(await whole)).toContain("200 OK");
  const begun = once(silent, "data");
  silent.write(asked);
  expect(String(await begun)).toContain("200 OK");
  for (const socket of [quiet, silent]) socket.destroy();
  await listening.close();
});

test("a client that does not come to the end of its head, or of its body, is told so and cut off, sending on or not; others are answered", async () => {
  const short = { ...patience, headersMs: 40, requestMs: 80, lookMs: 10 };
  const called: string[] = [];
  const fetch = async (request: Request) => {
    called.push(request.method);
    return new Response(await request.text());
  };
  const listening = await listenOn(fetch, { host: "127.0.0.1", port: 0, patience: short });
  const head = asked.slice(0, -2);
  const body = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n{";
  const slow = [
    { begun: head, more: "" },
    { begun: head, more: "x" },
    { begun: body, more: "" },
    { begun: body, more: " " },
  ];
  const told = slow.map(async ({ begun, more }) => {
    const socket = await open(listening, begun);
    let text = "";
    socket.on("data", (piece) => {
      text += String(piece);
    });
    const gone = once(socket, "close");
    const drip = setInterval(() => socket.write(more), 5); // a byte at a time
    await gone;
    clearInterval(drip);
    return text;
  });
  let quick = 0;
  for (
    let answer = "";
    !answer.includes("200 OK");
    quick++ // again where a busy machine takes longer than these limits
  )
    answer = String((await once(await open(listening, asked), "data"))[0]);
  for (const text of await Promise.all(told)) expect(text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
  expect(called.filter((method) => method === "GET").length).toBeLessThanOrEqual(quick); // half a head calls nobody
  await listening.close();
});

test("what is not done in the time that there is at the end is cut off, and tells whoever works on it", async () => {
  let signal: AbortSignal | undefined;
  const never = new Promise<Response>(() => undefined);
  const fetch = (request: Request) => {
    signal = request.signal;
    return never;
  };
  const listening = await listenOn(fetch, { host: "127.0.0.1", port: 0, patience: { ...patience, endingMs: 1 } });
  const socket = await open(listening, `POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{}`);
  const gone = once(socket.resume(), "close");
  while (signal === undefined) await new Promise((done) => setImmediate(done));
  await listening.close();
  await gone;
  while (!signal.aborted) await new Promise((done) => setImmediate(done));
});
