// The Node client of Kubernetes, once through everything it can do: client.mjs NAMESPACE POD, with KUBECONFIG. It finds its
// modules in the folder it lies in, so it is copied there.
import * as k8s from "@kubernetes/client-node";
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";

const [namespace, pod] = process.argv.slice(2);
const config = new k8s.KubeConfig();
config.loadFromDefault();
// This client does not know `tokenFile`.
config.users = config.users.map((user) => ({ ...user, token: user.token ?? readFileSync(process.env.TOKEN_FILE, "utf8") }));
const core = config.makeApiClient(k8s.CoreV1Api);
const body = (data) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "node" }, data });

async function objects() {
  const { metadata } = await core.listNamespacedConfigMap({ namespace });
  const seen = [];
  const { promise, resolve, reject } = deferred();
  const query = { resourceVersion: metadata.resourceVersion, fieldSelector: "metadata.name=node" };
  const follow = (phase) => {
    seen.push(phase);
    if (phase === "DELETED") resolve();
  };
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const watch = await new k8s.Watch(config).watch(path, query, follow, (error) => error && reject(error));
  await core.createNamespacedConfigMap({ namespace, body: body({ a: "1" }) });
  const names = (await core.listNamespacedConfigMap({ namespace, limit: 500 })).items.map((item) => item.metadata.name);
  assert.ok(names.includes("node"), names);
  const patch = (strategy, data, more) => core.patchNamespacedConfigMap(
    { name: "node", namespace, body: data, ...more }, k8s.setHeaderOptions("Content-Type", strategy));
  await patch(k8s.PatchStrategy.MergePatch, { data: { a: "2" } });
  await patch(k8s.PatchStrategy.JsonPatch, [{ op: "add", path: "/data/j", value: "5" }]);
  await patch(k8s.PatchStrategy.ServerSideApply, body({ b: "3" }), { fieldManager: "node" });
  assert.deepEqual((await core.readNamespacedConfigMap({ name: "node", namespace })).data, { a: "2", b: "3", j: "5" });
  await core.deleteNamespacedConfigMap({ name: "node", namespace });
  await promise;
  watch.abort();
  assert.deepEqual(seen, ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]);
  const gone = core.readNamespacedConfigMap({ name: "node", namespace });
  await assert.rejects(gone, (error) => error.code === 404);
}

async function streams() {
  const logs = new PassThrough();
  await new k8s.Log(config).log(namespace, pod, "web", logs, {});
  assert.equal(await text(logs), "serving\n");
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const command = ["sh", "-c", "read word; echo got $word; echo bad >&2; exit 7"];
  const ended = deferred();
  await new k8s.Exec(config).exec(namespace, pod, "web", command, stdout, stderr, Readable.from(["bond\n"]), false, ended.resolve);
  const status = await ended.promise;
  assert.equal(status.details.causes.find((cause) => cause.reason === "ExitCode").message, "7");
  stdout.end();
  stderr.end();
  assert.deepEqual([await text(stdout), await text(stderr)], ["got bond\n", "bad\n"]);
  const forward = new k8s.PortForward(config);
  const server = createServer((socket) => forward.portForward(namespace, pod, [8080], socket, null, socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = createConnection(server.address().port, "127.0.0.1");
  socket.write("GET / HTTP/1.0\r\n\r\n");
  let answer = "";
  for await (const part of socket) {
    answer += part;
    if (answer.endsWith(`\r\n\r\n${pod}\n`)) break;
  }
  assert.ok(answer.endsWith(`\r\n\r\n${pod}\n`), answer);
  server.close();
}

async function others() {
  const groups = (await config.makeApiClient(k8s.ApisApi).getAPIVersions()).groups.map((group) => group.name);
  assert.ok(groups.includes("apps"), groups);
  assert.ok((await core.listNode()).items.length > 0);
  const objects = k8s.KubernetesObjectApi.makeApiClient(config);
  assert.equal((await objects.read({ apiVersion: "v1", kind: "Pod", metadata: { name: pod, namespace } })).metadata.name, pod);
}

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

await objects();
await streams();
await others();
process.exit(0);
