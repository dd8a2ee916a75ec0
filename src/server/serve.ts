/** @file The service on a port: opened, and ended without cutting off an answer. */
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { serve as listen } from "@hono/node-server";
import { AppError } from "../base/errors.ts";
import type { Connection } from "./services.ts";

export type Listening = {
  readonly url: string;
  /** Takes no more connections; resolves when the answers under way are given. */
  close(): Promise<void>;
};

/**
 * `headersMs`, `requestMs`: how long a client may take to send a request's head, and all of it. `unreadMs`: how long it
 * may take nothing of an answer that waits for it. `endingMs`: how long answers under way may take once the service is
 * ending.
 */
const listenLimits = {
  headersMs: 10_000,
  requestMs: 60_000,
  unreadMs: 30_000,
  keepAliveMs: 5_000,
  lookMs: 2_000,
  endingMs: 30_000,
} as const;

export type ListenOptions = {
  readonly host: string;
  readonly port: number;
  readonly patience?: { readonly [L in keyof typeof listenLimits]?: number } | undefined;
};

/** Throws E_IO where the address cannot be had. */
export function listenOn(
  fetch: (request: Request, connection: Connection) => Response | Promise<Response>,
  { host, port, patience: given }: ListenOptions,
): Promise<Listening> {
  const patience = { ...listenLimits, ...given };
  const { endingMs } = patience;
  return new Promise((done, fail) => {
    const server = listen(
      {
        fetch: (request, { incoming }) => fetch(request, { client: incoming.socket.remoteAddress }),
        hostname: host,
        port,
        serverOptions: {
          connectionsCheckingInterval: patience.lookMs,
          requestTimeout: patience.requestMs,
          headersTimeout: patience.headersMs,
          keepAliveTimeout: patience.keepAliveMs,
        },
      },
      (info: AddressInfo) => {
        const name = info.family === "IPv6" ? `[${info.address}]` : info.address;
        done({ url: `http://${name}:${info.port}`, close });
      },
    );
    server.on("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "another program listens there" : error.message;
      fail(new AppError("E_IO", `cannot listen on ${host}:${port}: ${why}`, { cause: error }));
    });
    const connections = connectionsOf(server as Server);
    cutOffUnread(server as Server, connections, patience.unreadMs);
    const end = endingOf(server as Server, connections);
    function close(): Promise<void> {
      return new Promise((closed) => {
        const late = setTimeout(() => (server as Server).closeAllConnections(), endingMs);
        end(() => {
          clearTimeout(late);
          closed();
        });
      });
    }
  });
}

/** The connections that are open, each with the answers that it waits for. */
type Connections = ReadonlyMap<Socket, ReadonlySet<ServerResponse>>;

function connectionsOf(server: Server): Connections {
  const connections = new Map<Socket, Set<ServerResponse>>();
  server.on("connection", (socket: Socket) => {
    connections.set(socket, new Set());
    socket.once("close", () => connections.delete(socket));
  });
  server.prependListener("request", ({ socket }, response) => {
    const answers = connections.get(socket);
    answers?.add(response);
    response.prependOnceListener("close", () => answers?.delete(response)); // before anyone looks what is left
  });
  return connections;
}

/**
 * Closes connections whose clients take nothing of what waits for them, which calls off what is still computed for them;
 * and those that were answered and ask nothing more. One that was never answered has other limits.
 */
function cutOffUnread(server: Server, connections: Connections, unreadMs: number): void {
  server.timeout = unreadMs;
  server.on("timeout", (socket: Socket) => {
    const isUnread = socket.writableLength > 0;
    const isDone = socket.bytesWritten > 0 && (connections.get(socket)?.size ?? 0) === 0;
    if (isUnread || isDone) socket.destroy();
  });
}

/**
 * Ends a server without cutting off an answer or waiting for anything else. Node itself takes a connection that asked
 * nothing yet for one that is answered, and an answer for given once it is written, however much of it the client has
 * still to read.
 * @returns called once: takes no more connections, and calls back when the last one is closed
 */
function endingOf(server: Server, connections: Connections): (closed: () => void) => void {
  let isEnding = false;
  server.prependListener("request", ({ socket }, response) => {
    if (isEnding) sayLast(response);
    response.once("close", () => {
      if (isEnding && connections.get(socket)?.size === 0) socket.destroySoon();
    });
  });
  return (closed) => {
    isEnding = true;
    server.closeIdleConnections = () => undefined; // which `close` calls
    server.close(closed);
    for (const [socket, answers] of connections) {
      if (answers.size === 0) socket.destroy();
      for (const response of answers) sayLast(response);
    }
  };
}

/** Its client asks nothing more on this connection. */
function sayLast(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("connection", "close");
}
