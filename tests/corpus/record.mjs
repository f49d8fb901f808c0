// A proxy between clients and a cluster that writes down every request but its secrets:
// record.mjs SERVER CA_FILE CERT_FILE KEY_FILE OUT. Says on which port it listens.
import { createWriteStream, readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { Agent, request } from "node:https";
import { connect } from "node:tls";

const [server, ca, cert, key, out] = process.argv.slice(2);
const upstream = { host: new URL(server).hostname, port: new URL(server).port, ca: readFileSync(ca) };
const agent = new Agent({ keepAlive: true, ...upstream });
const file = createWriteStream(out, { flags: "a" });
const HOP = ["connection", "host", "keep-alive", "transfer-encoding", "te", "upgrade", "http2-settings", "content-length"];
const SECRET = ["authorization", "x-seal-token", "cookie"];
// What holds a token, or is a tunnel, or never ends: written by tests of their own.
const LEFT_OUT = [/\/token$/, /\/(exec|attach|portforward)(\?|$)/, /[?&]follow=true/];

function pairs(raw, without) {
  const all = [];
  for (let i = 0; i < raw.length; i += 2) all.push([raw[i].toLowerCase(), raw[i + 1]]);
  return all.filter(([name]) => !name.startsWith(":") && !without.includes(name));
}

const proxy = createSecureServer({ allowHTTP1: true, cert: readFileSync(cert), key: readFileSync(key) });
proxy.on("request", async (incoming, answer) => {
  const version = incoming.httpVersionMajor;
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const path = incoming.url;
  if (!LEFT_OUT.some((pattern) => pattern.test(path))) {
    const headers = pairs(incoming.rawHeaders, [...HOP, ...SECRET]);
    file.write(`${JSON.stringify({ version, method: incoming.method, path, headers, body: body.toString("base64") })}\n`);
  }
  const headers = Object.fromEntries(pairs(incoming.rawHeaders, HOP));
  if (body.length > 0 || ["POST", "PUT", "PATCH"].includes(incoming.method)) headers["content-length"] = body.length;
  const onward = request({ ...upstream, agent, path, method: incoming.method, headers }, (from) => {
    const clean = Object.fromEntries(Object.entries(from.headers).filter(([name]) => !["connection", "transfer-encoding", "keep-alive"].includes(name)));
    answer.writeHead(from.statusCode, clean);
    // A watch's first event may be long in coming.
    answer.flushHeaders?.();
    from.on("error", () => answer.end()).pipe(answer);
  });
  onward.on("error", (error) => {
    if (!answer.headersSent) answer.writeHead(502);
    answer.end(String(error));
  });
  answer.on("close", () => onward.destroy());
  onward.end(body);
});
proxy.on("upgrade", (incoming, socket) => {
  const onward = connect({ ...upstream, ALPNProtocols: ["http/1.1"] }, () => {
    const lines = pairs(incoming.rawHeaders, []).map(([name, value]) => `${name}: ${value}\r\n`);
    onward.write(`${incoming.method} ${incoming.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    onward.pipe(socket).pipe(onward);
  });
  onward.on("error", () => socket.destroy());
  socket.on("error", () => onward.destroy());
});
proxy.listen(0, "127.0.0.1", () => console.log(proxy.address().port));
