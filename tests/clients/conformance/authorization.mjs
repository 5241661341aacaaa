// The MCP conformance suite's `authorization` mode against a running server (CONF-1, CONF-2, CONF-3).
//
// The suite prints an authorization URL and waits for its callback; the scripted browser is the person who follows it.
// Needs a public client registered beforehand: CLIENT_ID, with `http://127.0.0.1:$CALLBACK_PORT/callback`.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ScriptedBrowser } from '../scripted-browser.mjs';
import { Steps, expect, required } from '../steps.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const origin = new URL(required('MCP_URL')).origin;
const port = process.env.CALLBACK_PORT ?? '13420';
const clientId = process.env.CLIENT_ID ?? 'conformance';
const steps = new Steps(`conformance suite, authorization mode, against ${origin}`);
const browser = new ScriptedBrowser(required('PASSPHRASE'), steps.say);

for (const specVersion of ['2025-11-25', '2026-07-28']) {
  for (const resource of [undefined, process.env.MCP_URL]) {
    const title = `${specVersion}, ${resource ? 'with' : 'without'} resource`;
    await steps.step(`${title}: no failure, no warning, nothing skipped`, async () => {
      const checks = await suite(specVersion, resource);
      for (const check of checks) steps.say(`${check.status} ${check.id}: ${check.errorMessage ?? check.description}`);
      const bad = checks.filter((check) => check.status !== 'SUCCESS' && check.status !== 'INFO');
      expect(bad.length === 0, `not fulfilled: ${JSON.stringify(bad, undefined, 2)}`);
      for (const id of ['authorization-server-metadata', 'authorization-code-grant']) {
        expect(
          checks.some((check) => check.id.startsWith(id) && check.status === 'SUCCESS'),
          `${id} did not run`,
        );
      }
    });
  }
}
steps.end();

/** Runs the suite once; answers its checks. */
async function suite(specVersion, resource) {
  const output = mkdtempSync(join(tmpdir(), 'conformance-'));
  // The suite needs a newer Node than a stable Debian has; the npm package `node` brings it.
  const node = join(here, 'node_modules/node/bin/node');
  const args = [
    join(here, 'node_modules/@modelcontextprotocol/conformance/dist/index.js'),
    'authorization',
    ...['--url', origin, '--client-id', clientId, '--port', port],
    ...['--spec-version', specVersion, '--output-dir', output],
    ...(resource ? ['--resource', resource] : []),
  ];
  try {
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 });
    const heard = [];
    let visit = Promise.resolve();
    child.stderr.on('data', (data) => heard.push(data.toString()));
    for await (const line of createInterface({ input: child.stdout })) {
      heard.push(line);
      if (!line.startsWith(origin) || !line.includes('response_type=code')) continue;
      visit = follow(line).catch((error) => {
        heard.push(error.stack);
        child.kill();
      });
    }
    await visit;
    const code = await new Promise((resolve) =>
      child.exitCode === null ? child.on('close', resolve) : resolve(child.exitCode),
    );
    const checks = found(output);
    const told = checks.some((check) => check.status === 'FAILURE');
    expect(told || (code === 0 && checks.length > 0), `the suite left with ${code}:\n${heard.join('\n')}`);
    return checks;
  } finally {
    rmSync(output, { recursive: true });
  }
}

async function follow(url) {
  const callback = await browser.authorize(url, `http://127.0.0.1:${port}/callback`);
  // The suite may print the URL before it listens for the answer.
  for (let tries = 100; ; tries--) {
    const status = await load(callback).catch((error) => {
      if (error.code !== 'ECONNREFUSED' || tries === 0) throw error;
    });
    if (status !== undefined) return expect(status === 200, `the suite's callback answered ${status}`);
    await setTimeout(50);
  }
}

function load(url) {
  return new Promise((resolve, reject) => {
    // Each run of the suite listens anew on this port: a pooled connection would lead to the run before.
    const request = http.get(url, { agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    request.on('error', reject);
  });
}

/** The checks in every `checks.json` under `folder`. */
function found(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('checks.json') && statSync(path).isFile())
    .flatMap((path) => JSON.parse(readFileSync(path, 'utf8')));
}
