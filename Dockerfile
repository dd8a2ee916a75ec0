# The service: loragen serve with the pair that ships. Keys are needed, for it listens beyond this machine:
#   docker run --rm -v loragen:/data IMAGE key --keys /data/keys.json --name me --scope ask read write
#   docker run -p 8080:8080 -v loragen:/data --stop-timeout 40 IMAGE

FROM node:22-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
RUN npm ci --ignore-scripts
COPY src ./src
COPY web ./web
RUN npm run build

FROM node:22-bookworm-slim AS packages
WORKDIR /packages
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts
# For a store in a bucket. It is a package for development here, which --omit=dev leaves out even where it is named.
RUN npm install --save-prod --omit=dev --ignore-scripts @aws-sdk/client-s3@3.1175.0

FROM node:22-bookworm-slim
WORKDIR /loragen
ENV NODE_ENV=production LORAGEN_HOME=/data
COPY --from=packages /packages/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE ./
COPY pairs ./pairs
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--keys", "/data/keys.json"]
