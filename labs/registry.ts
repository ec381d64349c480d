/** The checks of every lab by its id, so that a bundle holds them. A test keeps the list complete. */
import type { Check } from '../src-main/labs-engine/sdk/index.ts';
import { checks as findTheCapability } from './010-find-the-capability/checks.ts';
import { checks as firstVdev } from './015-first-vdev/checks.ts';
import { checks as vfsVersusAdis } from './020-vfs-versus-adis/checks.ts';
import { checks as composeConfigSpace } from './040-compose-config-space/checks.ts';
import { checks as firstFastPath } from './050-first-fast-path/checks.ts';
import { checks as softwareMdev } from './030-software-mdev/checks.ts';
import { checks as pasidIsolation } from './070-pasid-isolation/checks.ts';
import { checks as vfioDance } from './060-vfio-dance/checks.ts';
import { checks as workQueuesByHand } from './080-work-queues-by-hand/checks.ts';
import { checks as imsAndPostedInterrupts } from './090-ims-and-posted-interrupts/checks.ts';
import { checks as nativeSva } from './100-native-sva/checks.ts';
import { checks as processDeath } from './110-process-death/checks.ts';
import { checks as viommuAndGuestIova } from './120-viommu-and-guest-iova/checks.ts';
import { checks as vsvaDedicated } from './130-vsva-dedicated/checks.ts';
import { checks as vsvaShared } from './140-vsva-shared/checks.ts';
import { checks as pageRequestsAcrossTheVm } from './150-page-requests-across-the-vm/checks.ts';
import { checks as attackGauntlet } from './160-attack-gauntlet/checks.ts';
import { checks as migrateABusyVdev } from './170-migrate-a-busy-vdev/checks.ts';

export const LAB_CHECKS: Readonly<Record<string, readonly Check[]>> = {
  'find-the-capability': findTheCapability,
  'first-vdev': firstVdev,
  'vfs-versus-adis': vfsVersusAdis,
  'compose-config-space': composeConfigSpace,
  'first-fast-path': firstFastPath,
  'software-mdev': softwareMdev,
  'pasid-isolation': pasidIsolation,
  'vfio-dance': vfioDance,
  'work-queues-by-hand': workQueuesByHand,
  'ims-and-posted-interrupts': imsAndPostedInterrupts,
  'native-sva': nativeSva,
  'process-death': processDeath,
  'viommu-and-guest-iova': viommuAndGuestIova,
  'vsva-dedicated': vsvaDedicated,
  'vsva-shared': vsvaShared,
  'page-requests-across-the-vm': pageRequestsAcrossTheVm,
  'attack-gauntlet': attackGauntlet,
  'migrate-a-busy-vdev': migrateABusyVdev,
};
