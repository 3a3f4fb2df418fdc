/**
 * What runs on the Linux end of the wire: an HTTP server on port 80, and on port 7 an echo that ends when its client
 * does. Prints a line when both listen.
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';

const big = (bytes: number): Buffer =>
  Buffer.from(Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 8)) & 0xff));

const http = createHttpServer((request, response) => {
  response.setHeader('Server', 'linux-peer');
  const [path = '', argument = ''] = (request.url ?? '').split('?');
  switch (path) {
    case '/hello':
      response.setHeader('Content-Length', 6);
      response.end('hello\n');
      return;
    case '/big':
      response.setHeader('Content-Length', argument);
      response.end(big(Number(argument)));
      return;
    case '/chunked':
      response.write('one ');
      setTimeout(() => response.end('two'), 20);
      return;
    case '/never':
      return;
    case '/reset':
      request.socket.resetAndDestroy();
      return;
    default:
      response.statusCode = 404;
      response.end('no');
  }
});

const echo = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  socket.pipe(socket);
});

http.listen(80, () => echo.listen(7, () => process.stderr.write('listening\n')));
