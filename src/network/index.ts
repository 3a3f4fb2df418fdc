/** The door of the network: what a node is wired up with. */
export { ClientStack, type ClientStackOptions } from './client-stack.ts';
export { type NetworkClock, NS_PER_MS, NS_PER_S } from './clock.ts';
export { type EthernetPort, formatMac, parseMac } from './ethernet.ts';
export { EthernetSwitch, type EthernetSwitchOptions } from './ethernet-switch.ts';
export { Forwarder, type ForwarderOptions } from './forwarder.ts';
export { type HttpGetRequest, type HttpResult, httpGet } from './http-client.ts';
export { Load, type LoadOptions } from './load/load.ts';
export type { LoadMeasurement } from './load/load-log.ts';
export { NumberedRecords, type RecordsFound, recordValue } from './numbered-records.ts';
export { type PcapOptions, PcapWriter } from './pcap.ts';
export { ProbeLog, type ProbeOutcome, type ProbeRecord } from './probe-log.ts';
export { measureProbe, type ProbeMeasurement } from './probe-measurement.ts';
export { type ProbeSeries, probeSeries } from './probe-series.ts';
export { type Ask, askHttp, Prober, type ProberOptions } from './prober.ts';
export type { TcpCloseReason, TcpConnection, TcpHandlers } from './tcp-connection.ts';
export { valkeyCommand } from './valkey-client.ts';
