/** Names of files that are the standard input. */
export const isStdinPath = (path: string): boolean =>
  /^(-|\/dev\/stdin|\/dev\/fd\/0|\/proc\/self\/fd\/0)$/.test(path);
