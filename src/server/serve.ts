/** @file The service on a port: opened, and ended without cutting off an answer. */
import type { AddressInfo } from "node:net";
import { serve as listen } from "@hono/node-server";
import { AppError } from "../base/errors.ts";

export type Listening = {
  readonly url: string;
  /** Takes no more connections; resolves when the answers under way are given. */
  close(): Promise<void>;
};

/** How long a client may take to send a request's head, and all of it. */
const patience = { headersMs: 10_000, requestMs: 60_000, keepAliveMs: 5_000, lookMs: 2_000 } as const;
/** How long answers under way may take once the service is ending. */
const endingMs = 30_000;

/** Throws E_IO where the address cannot be had. */
export function listenOn(
  fetch: (request: Request) => Response | Promise<Response>,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Listening> {
  return new Promise((done, fail) => {
    const server = listen(
      {
        fetch,
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
    function close(): Promise<void> {
      return new Promise((closed) => {
        const late = setTimeout(() => {
          if ("closeAllConnections" in server) server.closeAllConnections();
        }, endingMs);
        server.close(() => {
          clearTimeout(late);
          closed();
        });
        if ("closeIdleConnections" in server) server.closeIdleConnections();
      });
    }
  });
}
