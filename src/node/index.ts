// The door of the node: what the command line uses.
export { connectToNode, type RemoteNode } from './client.ts';
export { type ConnectOptions, connectNode, findNode, type NodeSpec } from './connect.ts';
export { stateDirectory } from './state-directory.ts';
export type { NodeTop } from './top.ts';
