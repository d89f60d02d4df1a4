import { accessSync, constants } from "node:fs";
import { type Command, Option } from "commander";
import { loadConfig, loadSettings, type Loaded } from "../config/load.ts";
import { parseBool } from "../config/text.ts";
import { VERSION } from "../daemon/version.ts";
import { type FlagValues, flagsHelp } from "./flags.ts";
import { accepted, CommandFailed, sources, warn } from "./load-settings.ts";
import { daemonSetManifest, NotForEveryNode } from "./manifest/daemonset.ts";
import { ImageInvalid, imageWithTag } from "./manifest/image.ts";
import { namespaceOf, podManifest, type PodOptions } from "./manifest/pod.ts";
import { rbacManifest } from "./manifest/rbac.ts";
import { manifestYaml } from "./manifest/yaml.ts";

interface PodFlags {
  readonly image: string;
  readonly inCluster: boolean;
}

/** Adds `manifest daemonset|pod|rbac` and `kubeadm init|join`, which print YAML and change nothing. */
export function registerManifest(program: Command, flags: FlagValues): void {
  const settings = (withFile = true): Loaded => {
    const loaded = loadSettings(
      sources(flags.values, withFile ? program.opts<{ config?: string }>().config : undefined),
    );
    warn(loaded.warnings);
    return accepted(loaded);
  };

  const manifest = withPodOptions(program.command("manifest").description("print Kubernetes manifests"))
    .helpCommand(false)
    .addHelpText("after", example("vipcast manifest rbac"));
  showPodOptions(manifest.command("daemonset"))
    .description("print a DaemonSet: one pod per node")
    .addOption(bool("taint", "run on control-plane nodes only, whatever their taints"))
    .addHelpText("after", flagsHelp())
    .addHelpText(
      "after",
      example(
        "vipcast manifest daemonset --inCluster --taint --controlplane",
        "  --services --bgp --address 10.0.0.10 --localAS 65000",
        "  --bgppeers 10.0.0.1:65001",
      ),
    )
    .action((_, command: Command) => {
      const { taint, ...pod } = command.optsWithGlobals<PodFlags & { taint: boolean }>();
      print(() => {
        const loaded = settings();
        if (loaded.settings.bgp !== null && loaded.settings.bgp.routerId !== null)
          warn([
            { name: "bgp_routerid", message: "is the same for every pod: leave it out, or set bgp_routerinterface" },
          ]);
        return [daemonSetManifest(loaded, { ...podOptions(pod), taint })];
      });
    });
  showPodOptions(manifest.command("pod"))
    .description("print a static Pod: for /etc/kubernetes/manifests of one node")
    .addHelpText("after", flagsHelp())
    .addHelpText(
      "after",
      example("vipcast manifest pod --controlplane --arp --leaderElection", "  --interface eth0 --address 10.0.0.10"),
    )
    .action((_, command: Command) =>
      print(() => [podManifest(settings(), podOptions(command.optsWithGlobals<PodFlags>()))]),
    );
  manifest
    .command("rbac")
    .description("print ServiceAccount, role and binding: what the daemon may do")
    .addOption(bool("role", "a Role for one namespace instead of a ClusterRole"))
    .addOption(bool("rolebinding", "bind in one namespace only"))
    .addHelpText("after", "\nThe namespace is that of svc_namespace, else kube-system.")
    .addHelpText("after", example("vipcast manifest rbac | kubectl apply -f -"))
    .action((_, command: Command) => {
      const { role, rolebinding } = command.optsWithGlobals<{ role: boolean; rolebinding: boolean }>();
      const loaded = loadConfig(sources(flags.values, program.opts<{ config?: string }>().config));
      warn(loaded.warnings);
      const { config } = accepted(loaded);
      const { bgp } = config;
      const secrets = [bgp, ...bgp.peers, ...bgp.dynamicNeighbours].flatMap((it) =>
        typeof it === "string" ? [] : (it.passwordSecret ?? []),
      );
      const namespace = namespaceOf(config);
      const configMap = config.services.pools.enabled ? poolsOf(config.services.pools.configMap, namespace) : null;
      print(() =>
        rbacManifest({ namespace, role, roleBinding: rolebinding, secrets, ...(configMap ? { configMap } : {}) }),
      );
    });

  const kubeadm = withPodOptions(
    program.command("kubeadm").description("print the static Pod under kube-vip's names for it"),
  )
    .helpCommand(false)
    .addHelpText("after", example("vipcast kubeadm init --controlplane --arp --address 10.0.0.10"));
  showPodOptions(kubeadm.command("init"))
    .description("print the static Pod for the first control-plane node")
    .addHelpText("after", flagsHelp())
    .addHelpText(
      "after",
      example("vipcast kubeadm init --controlplane --arp --leaderElection", "  --interface eth0 --address 10.0.0.10"),
    )
    .action((_, command: Command) =>
      print(() => [podManifest(settings(), podOptions(command.optsWithGlobals<PodFlags>()))]),
    );
  showPodOptions(kubeadm.command("join"))
    .description("print the static Pod for a further control-plane node")
    .addHelpText("after", "\nHere --config names a kubeconfig that must exist, as with kube-vip.")
    .addHelpText("after", flagsHelp())
    .addHelpText(
      "after",
      example("vipcast kubeadm join --controlplane --arp --leaderElection", "  --interface eth0 --address 10.0.0.10"),
    )
    .action((_, command: Command) => {
      const { config } = program.opts<{ config?: string }>();
      if (config !== undefined) mustExist(config);
      print(() => [podManifest(settings(false), podOptions(command.optsWithGlobals<PodFlags>()))]);
    });
}

/** The options of the command above, which may stand after this one, in its help. */
function showPodOptions(command: Command): Command {
  return command.configureHelp({
    ...command.configureHelp(),
    showGlobalOptions: true,
    visibleGlobalOptions: ({ parent }) => [...(parent?.options ?? [])],
    styleTitle: (title) => title.replace("Global Options:", "Options of all pods:"),
  });
}

function withPodOptions(command: Command): Command {
  return command
    .addOption(bool("inCluster", "use the service account of `manifest rbac`, not a kubeconfig"))
    .option("--image <reference>", "container image; the tag is this version if it has none", "vipcast");
}

/** A switch as Go has it: the command line is normalized, so that it always has a value here. */
function bool(name: string, description: string): Option {
  return new Option(`--${name} <bool>`, description).default(false, "false").argParser((text: string) => {
    const value = parseBool(text);
    if (value === undefined) throw new CommandFailed(`--${name}: must be true or false, not "${text}"`);
    return value;
  });
}

const example = (...lines: readonly string[]): string => `\nExample:\n  ${lines.join(" \\\n  ")}`;

function podOptions({ image, inCluster }: PodFlags): PodOptions {
  return { image: imageWithTag(image, VERSION), inCluster, version: VERSION };
}

/** @throws CommandFailed when the generator refuses */
function print(generate: () => object[]): void {
  let text: string;
  try {
    text = manifestYaml(generate());
  } catch (error) {
    if (error instanceof ImageInvalid || error instanceof NotForEveryNode) throw new CommandFailed(error.message);
    throw error;
  }
  process.stdout.write(text);
}

function mustExist(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw new CommandFailed(`--config: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Of `name` and `namespace/name`. */
function poolsOf(text: string, ownNamespace: string): { readonly namespace: string; readonly name: string } {
  const [first = "", second] = text.split("/");
  return second === undefined ? { namespace: ownNamespace, name: first } : { namespace: first, name: second };
}
