# One image, two commands: `operator` and `agent`. Build: docker build -t backstay:dev .
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# No package's install script runs: what is built here needs none.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npx --no-install tsc -p tsconfig.build.json && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
# With an arena for every thread, glibc keeps a tenth of the agent's memory for nothing.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
# No name for the user: a number is what `runAsNonRoot` can check.
USER 65532:65532
ENTRYPOINT ["node", "/app/dist/main.js"]
