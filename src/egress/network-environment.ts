/**
 * The environment of a call that may reach hosts or endpoints, by way of the relay on a loopback port. Every package client reads
 * other names: Node's fetch ignores proxies unless told, and the official Node, pip and Go look for authorities in
 * places of their own. An endpoint is `http://NAME.proxy/`, asked of the relay like any plain host: only what listens inside
 * is excepted. `caBundle` is the path, inside, of all authorities in one file.
 */
export function networkEnvironment(options: {
  port: number;
  caBundle: string;
}): Record<string, string> {
  const { port, caBundle } = options;
  const proxy = `http://127.0.0.1:${port}`;
  const none = "127.0.0.1,localhost,::1";
  const bundles = [
    "NODE_EXTRA_CA_CERTS SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO PIP_CERT AWS_CA_BUNDLE npm_config_cafile",
  ].flatMap((row) => row.split(" "));
  return {
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    ALL_PROXY: proxy,
    all_proxy: proxy,
    NO_PROXY: none,
    no_proxy: none,
    NODE_USE_ENV_PROXY: "1",
    npm_config_proxy: proxy,
    npm_config_https_proxy: proxy,
    CARGO_HTTP_PROXY: proxy,
    UV_NATIVE_TLS: "1",
    ...Object.fromEntries(bundles.map((name) => [name, caBundle])),
  };
}
