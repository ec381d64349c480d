// The rest of the VMM: two devices on the guest's bus, then the guest boots.
import { boot, find_vm, plug } from 'lab/vm';
import { errname } from 'linux/errno';

const UUIDS = ['83b8f4f2-509f-382f-3c1e-e6bfe0fa9001', '83b8f4f2-509f-382f-3c1e-e6bfe0fa9002'];
const vm = find_vm('vm0')!;
for (const uuid of UUIDS) {
  const plugged = plug(vm, uuid);
  if (typeof plugged === 'number') {
    throw new Error(`The VMM cannot open ${uuid}: ${errname(plugged)}`);
  }
}
boot(vm);
