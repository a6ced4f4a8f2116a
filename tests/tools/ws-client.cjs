// One WebSocket conversation: ws-client.cjs ws://HOST:PORT/PATH echo|mebibyte|many|client-close|server-close. Exit code 0 when it went right.
const assert = require('node:assert');
const crypto = require('node:crypto');
const { once } = require('node:events');
const WebSocket = require('ws');

const [url, what] = process.argv.slice(2);
setTimeout(() => { console.error('nothing for 15 s'); process.exit(1); }, 15000).unref();

async function echo(socket, data) {
  const answer = once(socket, 'message');
  socket.send(data);
  const [got] = await answer;
  assert.ok(Buffer.from(data).equals(got), `${got.length} bytes came back, not those sent`);
}

async function close(socket, act) {
  const closed = once(socket, 'close');
  act();
  return (await closed)[0];
}

const conversations = {
  echo: (socket) => echo(socket, 'hello'),
  mebibyte: (socket) => echo(socket, crypto.randomBytes(1 << 20)),
  many: async (socket) => { for (let i = 0; i < 500; i++) await echo(socket, `message ${i}`); },
  ping: async (socket) => { const pong = once(socket, 'pong'); socket.ping('are you there'); await pong; },
  'client-close': async (socket) => assert.equal(await close(socket, () => socket.close(4000, 'enough')), 4000),
  'server-close': async (socket) => assert.equal(await close(socket, () => socket.send('close me')), 4001),
};

(async () => {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  await conversations[what](socket);
  if (socket.readyState === WebSocket.OPEN) assert.equal(await close(socket, () => socket.close(1000)), 1000);
})().catch((error) => { console.error(error.message); process.exit(1); });
