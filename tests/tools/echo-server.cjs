// The application behind the sidecar in check-http1-clients.sh: node's HTTP server and npm's ws, both foreign to us.
//   GET /bytes/N    N bytes of a fixed pattern   ·  GET /chunks/N  N chunks, then a trailer
//   PUT /sum        sha256 of the body, and how it was framed   ·  anything else: what arrived, as JSON
//   upgrade         WebSocket echo; the text "close me" makes the server close with 4001
const http = require('node:http');
const crypto = require('node:crypto');
const { WebSocketServer } = require('ws');

const pattern = Buffer.alloc(65536, 'the quick brown fox jumps over the lazy dog\n');

async function bytes(response, total) {
  response.writeHead(200, { 'content-length': total, 'content-type': 'application/octet-stream' });
  for (let sent = 0; sent < total; sent += pattern.length) {
    const part = pattern.subarray(0, Math.min(pattern.length, total - sent));
    if (!response.write(part)) await new Promise((go) => { response.once('drain', go); response.once('close', go); });
    if (response.destroyed) return;
  }
  response.end();
}

function chunks(response, count) {
  response.writeHead(200, { trailer: 'x-count' });
  for (let i = 0; i < count; i++) response.write(`chunk ${i}\n`);
  response.addTrailers({ 'x-count': String(count) });
  response.end();
}

function sum(request, response) {
  const hash = crypto.createHash('sha256');
  let length = 0;
  request.on('data', (part) => { hash.update(part); length += part.length; });
  request.on('end', () => response.end(`${hash.digest('hex')} ${length} ${request.headers['transfer-encoding'] ?? 'length'}\n`));
}

const server = http.createServer((request, response) => {
  const [, verb, count] = request.url.split('/');
  if (verb === 'bytes') return void bytes(response, Number(count));
  if (verb === 'chunks') return chunks(response, Number(count));
  if (verb === 'sum') return sum(request, response);
  request.resume();
  request.on('end', () => response.end(JSON.stringify({ method: request.method, url: request.url, version: request.httpVersion, headers: request.headers })));
});

new WebSocketServer({ server }).on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => {
    if (!isBinary && data.toString() === 'close me') socket.close(4001, 'as asked');
    else socket.send(data, { binary: isBinary });
  });
});

process.on('SIGTERM', () => process.exit(0));
server.listen(0, '127.0.0.1', () => console.log(`echo listening on http://127.0.0.1:${server.address().port}`));
