// The TypeScript SDK @nktkas/hyperliquid, unmodified: follows a market and prints what it receives, a line a message.
//
//     node nktkas.mjs BASE_URL COIN
import * as hl from "@nktkas/hyperliquid";

const [baseUrl, coin] = process.argv.slice(2);
const show = (kind) => (data) => console.log(JSON.stringify({ kind, data }));
const url = baseUrl.replace("http", "ws") + "/ws";
const transport = new hl.WebSocketTransport({ url, reconnect: { maxRetries: 1000, reconnectionDelay: 200 } });
const client = new hl.SubscriptionClient({ transport });
await client.l2Book({ coin }, show("l2Book"));
await client.trades({ coin }, show("trades"));
await client.bbo({ coin }, show("bbo"));
await client.allMids(show("allMids"));
try {
  await client.trades({ coin: "NOPE" }, show("never"));
} catch (error) {
  show("refused")(String(error.message));
}
const info = new hl.InfoClient({ transport: new hl.HttpTransport({ apiUrl: baseUrl }) });
show("mids")(await info.allMids());
show("subscribed")(true);
setInterval(() => {}, 60_000);
