# One image, two commands: `operator` and `agent`. Build: docker build -t backstay:0.1.0 .
FROM debian:bookworm-slim AS base

FROM base AS system
RUN dpkg-query --show --showformat='${Package}\t${Version}\t${Architecture}\n' > /packages.tsv

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# No package's install script runs: what is built here needs none.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npx --no-install tsc -p tsconfig.build.json && npm prune --omit=dev --ignore-scripts
COPY scripts/sbom.ts ./scripts/
COPY --from=system /packages.tsv ./
# `npm sbom --omit=dev` leaves out what both kinds of dependencies need, so it is told that there is one kind only.
RUN npm pkg delete devDependencies scripts \
 && npm sbom --sbom-format=cyclonedx > npm.json \
 && node scripts/sbom.ts npm.json packages.tsv > sbom.cdx.json
# What only compilers and debuggers read, and machine code for a runtime that is not Node. And whoever builds this with
# a strict umask shall not shut out the other users.
RUN rm -rf node_modules/.bin node_modules/.package-lock.json node_modules/bare-*/prebuilds \
 && find dist node_modules -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' \) -delete \
 && chmod -R a+rX dist node_modules package.json sbom.cdx.json

# Not from the image with npm in it: what a later layer deletes is still in the image.
FROM base
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=https://backstay.dev
LABEL org.opencontainers.image.title=backstay \
      org.opencontainers.image.description="Backs up, restores and proves PostgreSQL backups: operator and agent" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.source=$SOURCE \
      org.opencontainers.image.licenses=Apache-2.0
# With an arena for every thread, glibc keeps a tenth of the agent's memory for nothing.
ENV NODE_ENV=production MALLOC_ARENA_MAX=2
WORKDIR /app
COPY --from=build /usr/local/bin/node /usr/local/bin/
COPY --from=build /build/package.json /build/sbom.cdx.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
# No name for the user: a number is what `runAsNonRoot` can check, and any other will do.
USER 65532:65532
ENTRYPOINT ["node", "/app/dist/main.js"]
