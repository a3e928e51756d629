import { type OperatorConfig, parseOperatorConfig } from '../api/operator-config.ts';
import { Fault } from '../base/fault.ts';

export interface ConfigFlags {
  config?: string;
  image?: string;
  namespace?: string[];
  logLevel?: string;
}

/**
 * The operator's settings: those of the file, with the flags in their place where they are given. Throws SpecInvalid for
 * a file that cannot be read or is wrong, and when no image is named at all.
 */
export function readOperatorConfig(
  { config: file, image, namespace, logLevel }: ConfigFlags,
  read: (file: string) => string,
): OperatorConfig & { image: string } {
  const written = parseOperatorConfig(file === undefined ? '' : read(file), file ?? 'the defaults');
  const config: OperatorConfig = {
    ...written,
    ...(image !== undefined && { image }),
    // One that is named twice would be watched twice, and all in it be counted twice.
    namespaces: [...new Set(namespace ?? written.namespaces)],
    ...(logLevel !== undefined && { logLevel: logLevel as OperatorConfig['logLevel'] }),
  };
  if (config.image !== undefined) return { ...config, image: config.image };
  throw new Fault('SpecInvalid', 'the image that Jobs run is not named', {
    where: file ?? '--image',
    hint: 'Name it by --image, or as image in the file of --config.',
  });
}
