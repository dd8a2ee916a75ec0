#!/usr/bin/env node
/** @file The `loragen` command. */
import { nodeContext } from "./context.ts";
import { runCli } from "./program.ts";

process.exitCode = await runCli(process.argv.slice(2), nodeContext());
