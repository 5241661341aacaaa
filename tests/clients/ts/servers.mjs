// The servers that a client is run against: what it calls there, and what needs another consent.

import { expect, required } from '../steps.mjs';

async function call(client, name, args) {
  const answer = await client.callTool({ name, arguments: args });
  expect(!answer.isError, `${name} answered ${JSON.stringify(answer)}`);
  return answer;
}

const text = (answer) => answer.content[0].text;

/**
 * Each server has `first`, whose outcome the others get; `again`, which can be called over and over; and `more`, which the scopes of the sign-in do
 * not cover. `tools` are those that are listed before and after the second consent.
 */
const SERVERS = {
  // examples/quickstart
  notes: {
    more: 'delete_note',
    tools: () => ['add_note', 'delete_note', 'list_notes'],
    first: async (client, note) => ({ note, id: (await call(client, 'add_note', { text: note })).structuredContent.id }),
    again: async (client, { note, id }) => {
      const { notes } = (await call(client, 'list_notes', {})).structuredContent;
      expect(
        notes.some((held) => held.id === id && held.text === note),
        'the note is not there',
      );
    },
    call: (client, { id }) => call(client, 'delete_note', { id }),
  },
  // examples/separate-servers: the tool finds out from its arguments that it needs more.
  calculator: {
    more: 'a big number',
    tools: () => ['add'],
    first: async (client) => expect(text(await call(client, 'add', { a: 41, b: 1 })) === '42', 'it cannot add'),
    again: async (client) => expect(text(await call(client, 'add', { a: 1, b: 1 })) === '2', 'it cannot add'),
    call: async (client) => {
      const sum = text(await call(client, 'add', { a: 5_000_000, b: 1 }));
      expect(sum === '5000001', `5000000 and 1 are ${sum}`);
    },
  },
  // examples/resource-only: lists show what their reader may use.
  tools: {
    more: 'restart',
    tools: (wide) => ['count_words', ...(wide ? ['restart'] : []), 'whoami'],
    first: async (client) => {
      expect(text(await call(client, 'count_words', { text: 'a b c' })) === '3', 'it cannot count');
      const { resources } = await client.listResources();
      expect(resources.length === 1, `resources ${JSON.stringify(resources)}`);
      const { contents } = await client.readResource({ uri: 'about://server' });
      expect(contents[0].text.includes('mcp:resources'), JSON.stringify(contents));
    },
    again: async (client) => expect(text(await call(client, 'whoami', {})).includes('mcp:tools'), 'who is it?'),
    call: (client) => call(client, 'restart', {}),
  },
};

/** The one that `SERVER` names. */
export const server = SERVERS[required('SERVER')];
