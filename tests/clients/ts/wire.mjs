// A `fetch` that remembers what went over it, so that a driver can say what the SDK really did.

export class Wire {
  constructor() {
    this.seen = [];
  }

  fetch = async (input, init) => {
    const request = new Request(input, init);
    const entry = { method: request.method, url: new URL(request.url) };
    const type = request.headers.get('content-type') ?? '';
    if (type.startsWith('application/x-www-form-urlencoded')) {
      entry.form = new URLSearchParams(await request.clone().text());
    }
    entry.bearer = request.headers.get('authorization') ?? undefined;
    entry.protocol = request.headers.get('mcp-protocol-version') ?? undefined;
    const response = await fetch(input, init);
    entry.status = response.status;
    entry.challenge = response.headers.get('www-authenticate') ?? undefined;
    if (entry.form && response.ok) entry.tokens = await response.clone().json();
    this.seen.push(entry);
    return response;
  };

  /** Answers whether a request with this path and status was seen since the last `forget`. */
  saw(method, path, status, grantType) {
    return this.seen.some(
      (entry) =>
        entry.method === method &&
        (path instanceof RegExp ? path.test(entry.url.pathname) : entry.url.pathname === path) &&
        entry.status === status &&
        (grantType === undefined || entry.form?.get('grant_type') === grantType),
    );
  }

  forget() {
    this.seen = [];
  }

  toString() {
    return this.seen.map((entry) => `${entry.method} ${entry.url.pathname} ${entry.status}`).join(', ');
  }
}
