/** @file The version written into everything the project makes. */

/** Equal to package.json's; `test/package.test.ts` compares them. */
export const version = "0.1.0";
