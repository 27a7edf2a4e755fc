/** The port a gateway listens on and the SDK and CLI look for it, unless told otherwise. */
export const defaultPort = 7475;
export const defaultBaseUrl = `http://127.0.0.1:${defaultPort}`;
