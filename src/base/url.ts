/** @file Addresses as they may be shown. */

/** An address without the user name and password that may be in it; a text that is no address comes back as it is. */
export function withoutCredentials(address: string): string {
  return address.replace(/^(\s*[a-z][a-z0-9+.-]*:\/*)[^/?#]*@/i, "$1");
}
