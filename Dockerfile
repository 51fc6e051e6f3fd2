# The same steps as on a bare Debian 12: setup.mjs brings the system packages, the npm packages, Node and the page.
#
#   docker build -t earshot .
#   docker run --init --network host -v earshot-data:/data earshot
#
# Inside a container the server must listen on every address, so clients need a key: give one in EARSHOT_API_KEY, or take the one
# that is made on the first start, kept in /data and printed. WebRTC sends its audio over UDP ports of its own: with
# `--network host` they are reachable as they are; with published ports (-p 8080:8080) clients fall back to the WebSocket.
FROM node:22-bookworm-slim

WORKDIR /opt/earshot
COPY . .
# What only building and testing need leaves the image again.
RUN node setup.mjs run \
 && npm prune --omit=dev --ignore-scripts \
 && npm cache clean --force \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir /data \
 && chown node:node /data

ENV EARSHOT_DATA=/data \
    EARSHOT_HOST=0.0.0.0 \
    PORT=8080 \
    NODE_COMPILE_CACHE=/data/.node-cache \
    NODE_ENV=production
VOLUME /data
EXPOSE 8080
USER node

HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

# The server itself is the process that gets Docker's signals: it drains on SIGTERM.
CMD ["node_modules/node/bin/node", "--max-semi-space-size=4", "--no-allocation-site-pretenuring", "src/main.ts"]
