// A browser without a screen: keeps cookies, follows redirects by hand, fills the real HTML forms.
//
// It stops where a real one would leave the authorization server: at the redirect to the client's callback.

import http from 'node:http';
import https from 'node:https';

const REDIRECTS = 20;

export class ScriptedBrowser {
  /**
   * @param {string} passphrase typed into every password field
   * @param {(line: string) => void} [say] hears what the browser does
   */
  constructor(passphrase, say = () => {}) {
    this.passphrase = passphrase;
    this.say = say;
    this.cookies = new Map();
  }

  /**
   * Opens `url`, signs in and agrees where asked; answers the callback URL.
   * @param {string | URL} url
   * @param {string} callback the client's redirect URI
   * @param {'allow' | 'deny'} [decision]
   */
  async authorize(url, callback, decision = 'allow') {
    let step = { method: 'GET', url: new URL(url), site: 'none' };
    for (let hops = 0; hops < REDIRECTS; hops++) {
      const page = await this.#load(step);
      const location = page.headers.location;
      if (page.status >= 300 && page.status < 400 && location) {
        const next = new URL(location, step.url);
        if (sameTarget(next, callback)) return next;
        this.say(`redirected to ${next.pathname}`);
        step = { method: 'GET', url: next, site: 'same-origin', referrer: step.url };
        continue;
      }
      if (page.status !== 200) {
        throw new Error(`${step.method} ${step.url.pathname} answered ${page.status}: ${visibleText(page.body)}`);
      }
      step = this.#answer(forms(page.body), step.url, decision, page.body);
    }
    throw new Error(`no end after ${REDIRECTS} pages`);
  }

  #answer(found, url, decision, body) {
    const signIn = found.find((form) => form.fields.some((field) => field.type === 'password'));
    const consent = found.find((form) => form.buttons.some((b) => b.name === 'decision' && b.value === decision));
    const form = signIn ?? consent;
    if (!form) throw new Error(`${url.pathname} shows no form to fill: ${visibleText(body)}`);

    const data = new URLSearchParams();
    for (const field of form.fields) {
      if (!field.name) continue;
      if (field.type === 'password') data.append(field.name, this.passphrase);
      else if (field.type !== 'checkbox' && field.type !== 'radio') data.append(field.name, field.value ?? '');
      else if (field.checked) data.append(field.name, field.value ?? 'on');
    }
    if (!signIn) data.append('decision', decision);
    this.say(signIn ? `signing in at ${url.pathname}` : `consent at ${url.pathname}: ${decision}`);

    const action = new URL(form.action || url, url);
    if (form.method === 'GET') {
      action.search = data.toString();
      return { method: 'GET', url: action, site: 'same-origin', referrer: url };
    }
    return { method: 'POST', url: action, site: 'same-origin', referrer: url, body: data.toString() };
  }

  #load({ method, url, site, referrer, body }) {
    const jar = this.cookies.get(url.host) ?? new Map();
    this.cookies.set(url.host, jar);
    const headers = {
      accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8',
      'accept-language': 'en',
      'sec-fetch-dest': 'document',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': site,
      'sec-fetch-user': '?1',
      'user-agent': 'scripted-browser',
    };
    if (jar.size > 0) headers.cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    if (referrer) headers.referer = referrer.href;
    if (body !== undefined) {
      headers['content-type'] = 'application/x-www-form-urlencoded';
      headers['content-length'] = Buffer.byteLength(body);
      headers.origin = url.origin;
    }
    const client = url.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
      const request = client.request(url, { method, headers, timeout: 20_000 }, (response) => {
        for (const cookie of response.headers['set-cookie'] ?? []) keep(jar, cookie);
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      });
      request.on('timeout', () => request.destroy(new Error(`${method} ${url} took too long`)));
      request.on('error', reject);
      request.end(body);
    });
  }
}

/** Answers whether `url` is `callback`, whatever its query. */
function sameTarget(url, callback) {
  const wanted = new URL(callback);
  return url.protocol === wanted.protocol && url.host === wanted.host && url.pathname === wanted.pathname;
}

function keep(jar, cookie) {
  const [pair, ...attributes] = cookie.split(';').map((part) => part.trim());
  const at = pair.indexOf('=');
  const name = pair.slice(0, at);
  const gone = attributes.some((a) => /^max-age=(0|-\d+)$/i.test(a) || /^expires=thu, 01 jan 1970/i.test(a));
  if (gone) jar.delete(name);
  else jar.set(name, pair.slice(at + 1));
}

/** The forms of a page, as far as a person would use them. */
export function forms(html) {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, head, inner]) => {
    const form = attributes(head);
    const fields = [...inner.matchAll(/<input\b([^>]*)>/gi)].map(([, text]) => {
      const field = attributes(text);
      return { ...field, type: (field.type ?? 'text').toLowerCase(), checked: 'checked' in field };
    });
    const buttons = [...inner.matchAll(/<button\b([^>]*)>/gi)].map(([, text]) => attributes(text));
    return {
      action: form.action,
      method: (form.method ?? 'get').toUpperCase(),
      fields: fields.filter((field) => field.type !== 'submit' && !('disabled' in field)),
      buttons: [...buttons, ...fields.filter((field) => field.type === 'submit')],
    };
  });
}

function attributes(text) {
  const found = {};
  for (const [, name, quoted, single, bare] of text.matchAll(
    /([^\s"'<>\/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/g,
  )) {
    found[name.toLowerCase()] = decode(quoted ?? single ?? bare ?? '');
  }
  return found;
}

const NAMED = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };

function decode(text) {
  return text.replace(/&(#x[0-9a-f]+|#\d+|[a-z]+);/gi, (whole, body) => {
    if (body[0] !== '#') return NAMED[body.toLowerCase()] ?? whole;
    return String.fromCodePoint(/^#x/i.test(body) ? parseInt(body.slice(2), 16) : parseInt(body.slice(1), 10));
  });
}

function visibleText(html) {
  const text = html.replace(/<(style|script|head)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
  return decode(text).replace(/\s+/g, ' ').trim().slice(0, 400);
}
