/** Chinese for the sentences of views: what columns mean, what an empty pane would show, what is left out. */
export const ZH_CN_SENTENCES: Readonly<Record<string, string>> = {
  // Help of columns and properties
  'Accesses reach the device without an exit.': '访问直达设备，不发生退出。',
  'Accesses that the VDCM played instead of the hardware': '由 VDCM 代替硬件应答的访问',
  'As the guest found it': '客户机看到的位置',
  'As the guest placed it; the physical BARs stay where they are':
    '由客户机放置；物理 BAR 的位置不变',
  'Base class, sub-class, programming interface': '基类、子类、编程接口',
  'Command register as lspci prints it: + is set, - is clear':
    '按 lspci 的写法显示命令寄存器：+ 为置位，- 为清零',
  'Context entries taken from the context cache': '取自上下文缓存的上下文表项',
  'Dedicated: from WQCFG. Shared: from each descriptor': '专用：来自 WQCFG。共享：来自每个描述符',
  'Dedicated: one client, MOVDIR64B. Shared: many clients, ENQCMD':
    '专用：一个客户，用 MOVDIR64B。共享：多个客户，用 ENQCMD',
  'Descriptors waiting, of the entries configured': '等待的描述符数与配置的项数',
  'Device, IO address space (IOAS), page table (HWPT)': '设备、IO 地址空间（IOAS）、页表（HWPT）',
  'Direct pages reach the device without an exit; trapped ones are played by the VDCM':
    '直通的页不经退出即达设备；陷入的页由 VDCM 应答',
  'dma: the DMA API. unmanaged: its maker maps. sva: a process':
    'dma：DMA API。unmanaged：由创建者映射。sva：一个进程',
  'Domain identifier: invalidations select by it': '域标识符：失效操作按它选择',
  'Domain of the second stage': '第二级所在的域',
  'Entry of the interrupt remapping table, or the vector of a message that is not remapped':
    '中断重映射表的表项；未重映射的消息则为其向量',
  'Fields of the PASID entry': 'PASID 表项中的字段',
  'Memory that requests with the PASID can reach': '带此 PASID 的请求可以到达的内存',
  'Fields that are not zero': '不为零的字段',
  'First stage of a nested domain': '嵌套域的第一级',
  'For requests without PASID': '用于不带 PASID 的请求',
  'Guest-physical: the VMM reads it there': '客户机物理地址：VMM 在那里读取',
  'Guest-physical: each write of its tail traps': '客户机物理地址：每次写队尾都会陷入',
  'Guest-physical: the VMM writes requests there': '客户机物理地址：VMM 把请求写到那里',
  'Status registers of faults and page requests': '故障与页请求的状态寄存器',
  'On the guest’s bus': '在客户机的总线上',
  'What the host lets them reach now': '宿主机现在让它们到达的范围',
  'With which the guest’s own tables refuse them': '客户机自己的表用它拒绝它们',
  'The VM has no device behind its unit.': '虚拟机的单元后面没有设备。',
  'No record waits for the guest’s driver, which clears what it has read.':
    '没有记录在等客户机的驱动，它读过的会清除。',
  'A guest-physical address': '客户机物理地址',
  'Followed: the host’s entry uses the very table of the guest, nested on the VM’s second stage':
    '已跟随：宿主机表项使用客户机的同一张页表，嵌套在虚拟机的第二级之上',
  'The guest has no PASID entry. Binding a process in the guest writes one.':
    '客户机没有 PASID 表项。在客户机中绑定进程会写入一项。',
  'The guest has not used its unit yet.': '客户机还没有使用它的单元。',
  'Interrupt remapping by the guest, second-stage tables of the guest. Under iommufd, faults that are no page requests stay in the host’s log.':
    '客户机的中断重映射，客户机的第二级页表。在 iommufd 下，不属于页请求的故障留在宿主机的日志里。',
  'Host number, and the guest’s number': '宿主机编号，以及客户机编号',
  'Host PASID that its requests carry': '它的请求所带的宿主机 PASID',
  'Identifiers of the maker of the board': '板卡制造商的标识',
  'The one it is on, and the one below it': '所在的总线，以及下方的总线',
  'IMS: interrupt message storage, device-specific and as large as the device likes':
    'IMS：中断消息存储，由设备自定，大小不限',
  'In the address space of PASID or function': '位于 PASID 或功能的地址空间',
  'IQH: next for hardware. IQT: next free for software': 'IQH：硬件的下一项。IQT：软件的下一空项',
  'Limited portals stop at the threshold of a shared queue; IMS portals name interrupts stored in the device':
    '受限门户在共享队列达到阈值时停止接受；IMS 门户使用存放在设备中的中断',
  'Linux interrupt that has the entry': '占用该表项的 Linux 中断',
  'Memory says something else by now. The entry goes on being used until software invalidates it.':
    '内存中的内容已经改变。在软件使它失效之前，这一项会继续被使用。',
  'Occupancy at which the limited portal answers Retry': '受限门户开始应答重试时的占用数',
  'Only descriptors with this PASID may use the entry': '只有带此 PASID 的描述符可以使用该项',
  'Only this requester may use the entry': '只有此请求者可以使用该项',
  'Outstanding notification': '已有通知在途',
  'Page request group index (PRGI)': '页请求组索引（PRGI）',
  'Page walks': '页表遍历',
  'PASID entries taken from the PASID cache': '取自 PASID 缓存的 PASID 表项',
  'PASID granular translation type (PGTT)': 'PASID 粒度翻译类型（PGTT）',
  'Physical function': '物理功能',
  'Process whose address space the set belongs to': '集合所属地址空间的进程',
  'Requests answered from the IOTLB without a walk': '由 IOTLB 直接应答、无需遍历的请求',
  'Requests that the IOMMU looked at': 'IOMMU 处理的请求',
  'Requests that were refused': '被拒绝的请求',
  'Software has moved the head past it; its bytes are still there':
    '软件已把队头移过它；它的字节仍在内存中',
  'Stands for the whole memory of the guest': '代表客户机的全部内存',
  'Status register as lspci prints it: + is set, - is clear':
    '按 lspci 的写法显示状态寄存器：+ 为置位，- 为清零',
  'Suppress notification: the vCPU does not run': '抑制通知：vCPU 没有运行',
  'SVA: the process’s own': 'SVA：进程自己的地址空间',
  'Tags cached translations': '标记缓存的翻译',
  'The number is free again when the last one is gone': '最后一个引用消失后编号才空出',
  'The queue of the device behind it': '它背后的设备队列',
  'The VDCM writes the host PASID where the guest wrote its own':
    'VDCM 在客户机写入自己编号的地方写入宿主机 PASID',
  'Time since the device asked': '设备发出请求以来的时间',
  'Vector 0 is played by software': '向量 0 由软件应答',
  'Vectors that wait in the descriptor': '在描述符中等待的向量',
  'VM, process or kernel that the PASID was given to': '获得此 PASID 的虚拟机、进程或内核',
  'What separates its DMA from that of others': '把它的 DMA 与别人隔开的依据',
  'Where firmware placed the region': '固件放置该区域的位置',
  'Whether a walk through memory would give the same today': '现在遍历内存是否得到相同结果',
  'Whether memory still holds what is cached': '内存中是否仍是缓存的内容',
  'Whose descriptor it is': '描述符属于谁',

  // Longer cells
  'DMA through the page table': '经页表进行 DMA',
  'eventfd, signalled by the VDCM': 'eventfd，由 VDCM 触发',
  'everything: the group path is ready': '一切：组路径已就绪',
  'close() of the device first': '先 close() 设备',
  'last close()': '最后一次 close()',
  'empty or unknown': '空或未知',
  'invalid request': '无效请求',
  'regions, interrupts, VFIO_DEVICE_ATTACH_IOMMUFD_PT': '区域、中断、VFIO_DEVICE_ATTACH_IOMMUFD_PT',
  'Registers: capabilities, command, queue, vectors': '寄存器：能力、命令、队列、向量',
  'not present or not allowed': '不存在或不允许',
  'forbidden setting': '被禁止的设置',
  'no memory at this address': '此地址没有内存',
  'Each first-stage table lies at a guest physical address, so the unit walks the second stage before it can read it, and once more for the output.':
    '每个第一级页表都位于客户机物理地址，因此单元在读取它之前要先遍历第二级；得到结果之前还要再遍历一次。',
  'The entry as it was when the unit read it.': '单元读取时的表项内容。',
  'The record is empty: the operation is not complete.': '记录为空：操作尚未完成。',

  // Subtitles without numbers
  'Translations that devices hold themselves (ATS)': '设备自己保存的翻译（ATS）',
  'What the IOMMU reads from memory for this request, caches aside':
    'IOMMU 为此请求从内存读取的内容，不计缓存',
  'What the tenants of this instant take': '当前时刻各租户占用的资源',

  // Empty panes and tables
  'No context entry is set: every request ends with a fault. Attaching a device to a domain creates one.':
    '没有上下文表项：每个请求都以故障结束。把设备附着到域会创建一项。',
  'No work queue is configured. Give one a size, a mode and a group, enable the device, then the queue.':
    '没有配置工作队列。为队列设置大小、模式和组，启用设备，再启用队列。',
  'Nothing was submitted yet. A 64-byte write to a portal puts a descriptor here.':
    '还没有提交任何描述符。向门户写入 64 字节即会在此出现。',
  'No group has queues and engines yet.': '还没有哪个组同时拥有队列和引擎。',
  'No register matches the filter.': '没有寄存器符合筛选条件。',
  'No fault is on record. A request that the unit refuses leaves one here, unless FPD silences it.':
    '没有故障记录。被单元拒绝的请求会在此留下一条，除非 FPD 使它静默。',
  'The unit has recorded no fault in this run.': '本次运行中单元没有记录故障。',
  'The queue is empty.': '队列为空。',
  'No page request is waiting. A device with PRI asks here for pages that are not present.':
    '没有等待的页请求。带 PRI 的设备在这里请求不存在的页。',
  'Nothing cached. The first translated request of a device puts its context entry here.':
    '没有缓存内容。设备的第一个被翻译的请求会把它的上下文表项放在这里。',
  'Nothing cached. The first request with a PASID puts its PASID entry here.':
    '没有缓存内容。第一个带 PASID 的请求会把它的 PASID 表项放在这里。',
  'Nothing cached. Every translated request leaves its result here.':
    '没有缓存内容。每个被翻译的请求都会把结果留在这里。',
  'No device holds a translation. With ATS enabled, a device asks the IOMMU once and keeps the answer here.':
    '没有设备保存翻译。启用 ATS 后，设备向 IOMMU 询问一次并把答案保存在这里。',
  'No device has a programmed interrupt message.': '没有设备设置了中断消息。',
  'No remapping entry is in use.': '没有使用中的重映射表项。',
  'The machine has no CPUs.': '这台机器没有 CPU。',
  'No remapping entry posts. KVM switches an entry to posted format when the VM’s irqfd meets the device’s interrupt.':
    '没有投递格式的重映射表项。当虚拟机的 irqfd 与设备中断相遇时，KVM 把表项切换为投递格式。',
  'The function has no capabilities.': '该功能没有能力结构。',
  'The device has no registers.': '该设备没有寄存器。',
  'No queue of this device is in use yet.': '该设备还没有使用中的队列。',
  'Portals of queues without entries answer like a disabled queue. Configure a queue first.':
    '没有项的队列，其门户的应答如同停用的队列。请先配置队列。',
  'No ring is set up. Write base, size and enable of a queue pair or ring pair.':
    '没有设置环。请写入队列对或环对的基址、大小和使能位。',
  'No packet was sent yet. Write a transmit tail to send one.':
    '还没有发送数据包。写入发送尾指针即可发送。',
  'The VDEV has no BARs.': '该 VDEV 没有 BAR。',
  'The user has not set up interrupts yet (VFIO_DEVICE_SET_IRQS).':
    '使用者还没有设置中断（VFIO_DEVICE_SET_IRQS）。',
  'The guest has not touched a trapped page yet.': '客户机还没有访问过陷入的页。',
  'The VDCM shows no registers.': 'VDCM 没有给出寄存器。',
  'No process has such a file open.': '没有进程打开这样的文件。',
  'No driver has registered a VFIO device yet.': '还没有驱动注册 VFIO 设备。',
  'No process has made an object of /dev/iommu.': '没有进程创建过 /dev/iommu 的对象。',
  'Nothing is mapped (VFIO_IOMMU_MAP_DMA).': '没有映射（VFIO_IOMMU_MAP_DMA）。',
  'Nothing is mapped: iommu_map or the DMA API puts ranges here.':
    '没有映射：iommu_map 或 DMA API 会把区间放在这里。',
  'No device is behind the IOMMU.': 'IOMMU 后面没有设备。',
  'Nothing is registered yet. A driver that registers an mdev parent makes its types appear here.':
    '还没有注册任何内容。驱动注册 mdev 父设备后，它的类型会显示在这里。',
  'The VM has no memory yet.': '该虚拟机还没有内存。',
  'No virtual CPU has left guest mode yet.': '还没有虚拟 CPU 离开过客户机模式。',
  'No set exists. A VMM gets one with a quota (2019 profile).':
    '没有集合。VMM 会得到一个带配额的集合（2019 配置）。',
  'No device has asked for a page yet. With shared virtual addressing, a device that meets a page which is not present asks the kernel to bring it in.':
    '还没有设备请求过页。使用共享虚拟寻址时，设备遇到不存在的页会请内核把它调入。',
  'No address space is attached: every request ends with a fault. Attaching a domain by PASID adds one here.':
    '没有附着的地址空间：每个请求都以故障结束。按 PASID 附着一个域会在此增加一项。',
  'This machine has no accelerator with work queues.': '这台机器没有带工作队列的加速器。',
  'This machine has no device whose registers are described.': '这台机器没有寄存器有说明的设备。',
  'This machine has no device with descriptor rings.': '这台机器没有带描述符环的设备。',
  'This machine has no network adapter.': '这台机器没有网络适配器。',
  'This machine has no adapter that can be shared both ways.':
    '这台机器没有能用两种方式共享的适配器。',
  'This machine has no PCI functions.': '这台机器没有 PCI 功能。',
  'This unit does not report page requests (ECAP_REG.PRS = 0).':
    '此单元不支持页请求（ECAP_REG.PRS = 0）。',
  'No VDEV exists. Writing a UUID to a type’s create file in sysfs makes one.':
    '没有 VDEV。向 sysfs 中某类型的 create 文件写入 UUID 即可创建。',
  'No file is open. User space opens a container and a group, or a device node.':
    '没有打开的文件。用户空间会打开容器和组，或设备节点。',
  'No domain exists. iommu_domain_alloc creates one.': '没有域。iommu_domain_alloc 会创建一个。',
  'No VM runs. Once a VMM has made one, its memory slots and the EPT walk of an address are here.':
    '没有运行中的虚拟机。VMM 创建虚拟机后，它的内存槽和地址的 EPT 遍历会显示在这里。',
  'No VM of this machine has a vIOMMU. With one, the guest’s own tables and queues are shown here.':
    '这台机器的虚拟机都没有 vIOMMU。有了它，客户机自己的表和队列会显示在这里。',
  'No PASID is allocated. Binding a process, or attaching a domain by PASID, takes one.':
    '没有分配 PASID。绑定进程或按 PASID 附着域会占用一个。',
  'No PASID is nested. Binding a guest’s page table under a VM’s domain makes one (IOMMU_HWPT_ALLOC with a nest parent, or bind_gpasid in 2019).':
    '没有嵌套的 PASID。把客户机页表绑定到虚拟机的域之下即可得到（带嵌套父对象的 IOMMU_HWPT_ALLOC，2019 年为 bind_gpasid）。',
  'The IOMMU has no root table yet. Run a script that boots the kernel: the driver writes RTADDR_REG and sets SRTP, and the tables appear here.':
    'IOMMU 还没有根表。运行脚本启动内核：驱动写入 RTADDR_REG 并置位 SRTP 后，各级表会显示在这里。',
  'There are no translation tables yet. Once the kernel has set them up, choose a requester, a PASID and an address here.':
    '还没有翻译表。内核建立之后，请在此选择请求者、PASID 和地址。',
  'There are no translation tables yet.': '还没有翻译表。',
  'Queued invalidation is off. The driver sets IQA_REG and GCMD_REG.QIE when it brings the unit up.':
    '队列式失效未启用。驱动启动单元时会设置 IQA_REG 和 GCMD_REG.QIE。',

  'No device has left the memory of whom it works for. To see a breach, take a defence away in the configuration of the machine and run an attack.':
    '没有设备越出其服务对象的内存。若要看到越界，请在机器配置中去掉一项防护，再运行攻击。',
  'This machine does not watch whose pages devices reach: its configuration switched the isolation oracle off.':
    '此机器不监视设备访问了谁的页：其配置关闭了隔离监视器。',
  'This machine does not watch whose vectors arrive: its configuration switched the isolation oracle off.':
    '此机器不监视到达的是谁的向量：其配置关闭了隔离监视器。',
  'No vector has arrived at somebody by the doing of somebody else.':
    '没有向量因他人的行为而到达不该到达之处。',
  'At whom the vector arrived': '向量到达了谁',
  'A write of one dword without PASID to FEEx_xxxxh is an interrupt, whoever makes it. Interrupt remapping takes no vector out of it, and a source check lets only the function itself use its entries.':
    '不带 PASID、向 FEEx_xxxxh 写入一个双字就是中断，无论由谁写入。中断重映射不从中取用向量，来源检查只允许功能使用自己的表项。',
  'The message came from an interrupt table of the function, which names no owner. The remapping entry checks no source (SVT), or the entry of the table is open to the PASID of somebody else.':
    '消息来自该功能的中断表，表中不写所有者。重映射表项不检查来源（SVT），或者中断表的表项对他人的 PASID 开放。',
  'Whose work the device did': '设备在为谁工作',
  'Who had the page at the instant of the access': '访问发生时页归谁所有',
  'Another function answered the request before it came to the remapping unit: nothing on the way redirects requests upstream (ACS).':
    '请求在到达重映射单元之前就由另一个功能应答：途中没有机制（ACS）把请求转向上游。',
  'The request said that its address was translated already, so the unit walked no table. Either the device TLB kept a translation that software had taken back, or the device made the address up.':
    '请求声称其地址已经翻译，因此重映射单元没有遍历任何表。要么设备 TLB 保留了软件已收回的翻译，要么地址是设备编造的。',
  'The tables or a cache of the unit allowed it: the PASID is not of whom the work is done for, or a translation outlived the mapping it came from.':
    '重映射单元的表或缓存允许了它：PASID 不属于工作的服务对象，或者翻译的存留时间超过了其来源映射。',

  // What is not modelled
  'Host permission tables': '主机权限表',
  'Performance monitoring, MTRRs and resource director registers store values and do nothing else':
    '性能监控、MTRR 和资源导向寄存器只保存值，不起其他作用',
  'VLANs, checksums and offloads; the last 256 packets are kept.':
    'VLAN、校验和与卸载；只保留最近 256 个数据包。',
  'Silicon area and the memory of drivers.': '芯片面积和驱动占用的内存。',
  'Accessed and dirty flags, faults on demand, dirty logging.':
    '访问位与脏位、按需缺页、脏页日志。',
  'Reach of the processes of one VM each for itself, vectors within one VM, and what translation caches still allow: the cache panes mark stale entries.':
    '到达其他租户的中断，同一虚拟机内进程之间的访问，以及翻译缓存仍然允许的访问：过时项由缓存窗格标出。',
};

/** Sentences with parts that change. `{}` stands for any text; the parts come in the order of `{0}`, `{1}`. */
export const ZH_CN_PATTERNS: readonly (readonly [english: string, chinese: string])[] = [
  ['{}, head {}, tail {}', '{0}，队首 {1}，队尾 {2}'],
  ['on, {} mode', '已启用，{0} 模式'],
  ['root table at {}, {}, remapping on', '根表位于 {0}，{1}，重映射已启用'],
  ['root table at {}, {}, remapping off', '根表位于 {0}，{1}，重映射未启用'],
  ['{}, remapping off', '{0}，重映射未启用'],
  ['Root entry, bus {}', '根表项，总线 {0}'],
  ['Context entry {}', '上下文表项 {0}'],
  ['PASID directory entry {}', 'PASID 目录项 {0}'],
  ['PASIDs {} to {}, table at {}', 'PASID {0} 至 {1}，表位于 {2}'],
  ['PASID {} (requests without PASID)', 'PASID {0}（不带 PASID 的请求）'],
  ['present; {} enabled', '存在；已启用 {0}'],
  ['{}, domain {}, tables at {}', '{0}，域 {1}，页表位于 {2}'],
  ['{}, domain {}', '{0}，域 {1}'],
  ['{} levels from {}, guest-physical', '从 {1} 起共 {0} 级，客户机物理地址'],
  ['{} levels from {}', '从 {1} 起共 {0} 级'],
  ['{}, from {}', '{0}，起于 {1}'],
  ['table at {}', '表位于 {0}'],
  ['{} more entries', '另有 {0} 项'],
  ['→ {}, {}, {} pages of {}', '→ {0}，{1}，{2} 个 {3} 的页'],
  ['→ {}, {}, {}', '→ {0}，{1}，{2}'],
  ['bus number[{}] = {}', '总线号[{0}] = {1}'],
  ['device and function[{}] = {}', '设备与功能号[{0}] = {1}'],
  ['address[{}] = {}', '地址[{0}] = {1}'],
  ['guest-physical[{}] = {}', '客户机物理地址[{0}] = {1}'],
  ['next table, {}', '下一级表，{0}'],
  ['maps a page, {}', '映射一页，{0}'],
  ['{}, page of {}', '{0}，页大小 {1}'],
  ['page of {}, {}', '页大小 {0}，{1}'],
  ['{}, no exit', '{0}，无退出'],
  ['Fault {}: {}. {}', '故障 {0}：{1}。{2}'],
  ['{} of {} in use, {} recorded so far', '共 {1} 个，使用 {0} 个；至今记录 {2} 个故障'],
  ['{}, {} registers', '{0}，{1} 个寄存器'],
  ['{} at {}, device enabled', '{0}，位于 {1}，设备已启用'],
  ['{} at {}, device disabled', '{0}，位于 {1}，设备未启用'],
  ['{} at {}, device {}', '{0}，位于 {1}，设备状态 {2}'],
  ['{}, all queues', '{0}，全部队列'],
  ['shared, {}', '共享，{0}'],
  ['dedicated, {}', '专用，{0}'],
  ['{}, dedicated', '{0}，专用'],
  ['{}, shared', '{0}，共享'],
  [
    '{} descriptors of {} bits at {}, head {}, tail {}',
    '{2} 处有 {0} 个 {1} 位描述符，头 {3}，尾 {4}',
  ],
  ['{} requests at {}, {} waiting', '{1} 处可容纳 {0} 个请求，{2} 个在等待'],
  ['{} table entries read', '读取 {0} 个表项'],
  ['{} messages, {} remapping entries', '{0} 条消息，{1} 个重映射表项'],
  ['irq {}, {} so far', 'irq {0}，至今 {1} 次'],
  ['{} descriptors', '{0} 个描述符'],
  ['descriptor {}', '描述符 {0}'],
  ['vector {}', '向量 {0}'],
  ['next at {}', '下一个位于 {0}'],
  ['First {} of {} bytes', '{1} 字节中的前 {0} 字节'],
  ['Function, {}', '功能，{0}'],
  ['Context of queue pair {}, {}: the host’s', '队列对 {0} 的上下文，{1}：归宿主机'],
  ['Doorbell page of queue pair {}, {}: the tenant’s', '队列对 {0} 的门铃页，{1}：归租户'],
  ['Fast registers of ring pair {}: the tenant’s', '环对 {0} 的快速寄存器：归租户'],
  ['Configuration of ring pair {}: the host’s', '环对 {0} 的配置：归宿主机'],
  ['{}, BAR2 at {}: four pages a queue', '{0}，BAR2 位于 {1}：每个队列四页'],
  ['VDEV {} of {}', '{1} 的 VDEV {0}'],
  ['{}: {} queue pairs, {}: {} ring pairs', '{0}：{1} 个队列对，{2}：{3} 个环对'],
  ['{}: {} queue pairs', '{0}：{1} 个队列对'],
  ['{}: {} ring pairs', '{0}：{1} 个环对'],
  ['stopped: {}', '已停止：{0}'],
  ['{} of {} bytes', '{1} 字节中的 {0}'],
  ['{}: {} packets so far', '{0}：至今 {1} 个数据包'],
  ['{}, used by {}', '{0}，使用者 {1}'],
  ['guest {} → host {}', '客户机 {0} → 宿主机 {1}'],
  ['IMS entry {}', 'IMS 表项 {0}'],
  ['VM exits that {} took for this device', '{0} 为此设备发生的虚拟机退出'],
  ['{} open files', '{0} 个打开的文件'],
  ['{} signals', '{0} 次信号'],
  ['{}, nest parent', '{0}，嵌套父对象'],
  ['{}, nested on {}, for PASIDs', '{0}，嵌套于 {1}，可用于 PASID'],
  ['{} domains', '{0} 个域'],
  ['{} PASIDs', '{0} 个 PASID'],
  ['process, PASID {}', '进程，PASID {0}'],
  ['{} so far, {} on their way', '至今 {0} 个，{1} 个在途'],
  ['success: the page is present now', '成功：页已存在'],
  ['success: {}', '成功：{0}'],
  ['invalid request: no area allows the access', '无效请求：没有区域允许此访问'],
  ['invalid request: {}', '无效请求：{0}'],
  ['failure: {}', '失败：{0}'],
  [
    '{} address spaces, {} share memory with another owner, {} breaches',
    '{0} 个地址空间，{1} 个与其他所有者共享内存，{2} 次越界',
  ],
  ['kernel ({})', '内核（{0}）'],
  ['VM {} / process {}', '虚拟机 {0} / 进程 {1}'],
  ['VM {} / kernel ({})', '虚拟机 {0} / 内核（{1}）'],
  ['VM {} / nobody (a free page)', '虚拟机 {0} / 无人（空闲页）'],
  ['after {}', '经过 {0}'],
  ['{} of {} entries', '共 {1} 项，使用 {0} 项'],
  ['There is no memory at {}. RAM: {}.', '{0} 处没有内存。RAM：{1}。'],
  ['The queue stopped at descriptor {}. {}', '队列停在描述符 {0}。{1}'],
  ['{}, {} bytes done', '{0}，已完成 {1} 字节'],
  ['{}, 0x{}', '{0}，0x{1}'],
];
