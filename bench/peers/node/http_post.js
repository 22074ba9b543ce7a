// A POST of a JSON message, answered with its number: node:http and nothing else.
import { createServer } from "node:http";

const BACKLOG = 4096;
const KEEP_ALIVE_MS = 60_000;
let seq = 0;

function answer(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
}

function post(response, body) {
  try {
    const { text } = JSON.parse(body);
    if (typeof text !== "string") return answer(response, 422, { error: "a text is missing" });
  } catch {
    return answer(response, 400, { error: "not JSON" });
  }
  answer(response, 201, { seq: ++seq });
}

const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
  if (request.method !== "POST") return answer(response, 405, { error: "POST a message" });
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    post(response, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
  });
});
server.listen({ host: "127.0.0.1", port: 0, backlog: BACKLOG }, () => {
  console.log(`port ${server.address().port}`);
});
