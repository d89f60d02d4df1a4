export { kubeAssets } from "../../lab/kube/assets.ts";
