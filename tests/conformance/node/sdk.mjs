// Every method of the served resources of @browserbasehq/sdk. The answers go out as JSON, for the tests to look at.
import Browserbase, { toFile } from "@browserbasehq/sdk";
import { readFile } from "node:fs/promises";

const { projectId, extension, certificate, page, ended } = JSON.parse(process.argv[2]);
const bb = new Browserbase({ maxRetries: 0 });
const told = {};

// A session's timeout is api_timeout here: `timeout` alone would be an option of the request.
const session = await bb.sessions.create({ projectId, api_timeout: 300, keepAlive: true, userMetadata: { from: "node" } });
told["sessions.create"] = session;
told["sessions.retrieve"] = await bb.sessions.retrieve(session.id);
told["sessions.list"] = await bb.sessions.list({ status: "RUNNING", q: "user_metadata['from']:'node'" });
told["sessions.debug"] = await bb.sessions.debug(session.id);
told["sessions.uploads.create"] = await bb.sessions.uploads.create(session.id, {
  file: await toFile(Buffer.from("of node"), "node.txt"),
});
told["sessions.logs.list"] = await bb.sessions.logs.list(session.id);
told["sessions.recording.retrieve"] = await bb.sessions.recording.retrieve(session.id);
told["sessions.downloads.list"] = (await bb.sessions.downloads.list(session.id)).headers.get("content-type");
told["sessions.update"] = await bb.sessions.update(session.id, { status: "REQUEST_RELEASE" });
told["sessions.replays.retrieve"] = await bb.sessions.replays.retrieve(ended);

told["contexts.create"] = await bb.contexts.create({ projectId });
const contextId = told["contexts.create"].id;
told["contexts.retrieve"] = await bb.contexts.retrieve(contextId);
told["contexts.update"] = await bb.contexts.update(contextId);
told["contexts.delete"] = await bb.contexts.delete(contextId);

told["extensions.create"] = await bb.extensions.create({ file: await toFile(await readFile(extension), "node.zip") });
told["extensions.retrieve"] = await bb.extensions.retrieve(told["extensions.create"].id);
told["extensions.delete"] = await bb.extensions.delete(told["extensions.create"].id);

told["certificates.create"] = await bb.certificates.create({
  file: await toFile(await readFile(certificate), "ca.pem"),
});
told["certificates.retrieve"] = await bb.certificates.retrieve(told["certificates.create"].id);
told["certificates.list"] = await bb.certificates.list();
told["certificates.delete"] = await bb.certificates.delete(told["certificates.create"].id);

told["projects.list"] = await bb.projects.list();
told["projects.retrieve"] = await bb.projects.retrieve(projectId);
told["projects.usage"] = await bb.projects.usage(projectId);

told["fetchAPI.create"] = await bb.fetchAPI.create({ url: page });

for (const [name, failing] of Object.entries({
  unknown: () => bb.sessions.retrieve("nobodys"),
  wrong: () => bb.sessions.create({ projectId, api_timeout: 1 }),
  unserved: () => bb.search.web({ query: "x" }),
  nowhere: () => bb.post("/_stainless_unknown_path"),
})) {
  told[`errors.${name}`] = await failing().then(
    () => ["nothing", 200],
    (error) => [error.constructor.name, error.status, error.message],
  );
}

console.log(JSON.stringify(told, (_, value) => (value === undefined ? null : value)));
