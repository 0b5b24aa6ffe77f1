/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Registers and structures of the NVM Express Base Specification, revision 1.4 (section numbers
 * are that revision's), little-endian as they lie in memory. Only what Peerlane reads or writes.
 */
#ifndef PEERLANE_PL_NVME_SPEC_H
#define PEERLANE_PL_NVME_SPEC_H

#include <assert.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define PL_STATIC_ASSERT static_assert
#else
#define PL_STATIC_ASSERT _Static_assert
#endif

/** @name Controller registers, byte offsets (3.1) @{ */
#define NVME_REG_CAP	0x00u /**< 8 bytes */
#define NVME_REG_VS	0x08u
#define NVME_REG_INTMS	0x0cu
#define NVME_REG_INTMC	0x10u
#define NVME_REG_CC	0x14u
#define NVME_REG_CSTS	0x1cu
#define NVME_REG_NSSR	0x20u
#define NVME_REG_AQA	0x24u
#define NVME_REG_ASQ	0x28u /**< 8 bytes */
#define NVME_REG_ACQ	0x30u /**< 8 bytes */
#define NVME_REG_CMBLOC 0x38u
#define NVME_REG_CMBSZ	0x3cu
#define NVME_REG_CMBMSC 0x50u /**< 8 bytes */
#define NVME_REG_CMBSTS 0x58u
#define NVME_REG_PMRCAP 0xe00u
#define NVME_REG_PMRCTL 0xe04u
#define NVME_REG_PMRSTS 0xe08u
#define NVME_REG_PMREBS 0xe0cu
#define NVME_REG_PMRSWTP 0xe10u
#define NVME_REG_PMRMSCL 0xe14u
#define NVME_REG_PMRMSCU 0xe18u
#define NVME_REG_DOORBELLS 0x1000u /**< SQ y tail, CQ y head, stride 4 << CAP.DSTRD (3.1.24) */
/** @} */

/** @name Register fields @{ */
#define NVME_CAP_MQES(cap)   ((uint32_t)((cap) & 0xffff)) /**< 0's based */
#define NVME_CAP_CQR(cap)    ((uint32_t)(((cap) >> 16) & 1))
#define NVME_CAP_TO(cap)     ((uint32_t)(((cap) >> 24) & 0xff)) /**< units of 500 ms */
#define NVME_CAP_DSTRD(cap)  ((uint32_t)(((cap) >> 32) & 0xf))
#define NVME_CAP_CSS(cap)    ((uint32_t)(((cap) >> 37) & 0xff))
#define NVME_CAP_MPSMIN(cap) ((uint32_t)(((cap) >> 48) & 0xf))
#define NVME_CAP_MPSMAX(cap) ((uint32_t)(((cap) >> 52) & 0xf))
#define NVME_CAP_PMRS(cap)   ((uint32_t)(((cap) >> 56) & 1))
#define NVME_CAP_CMBS(cap)   ((uint32_t)(((cap) >> 57) & 1))

#define NVME_CC_EN	     0x1u
#define NVME_CC_CSS(css)     ((uint32_t)(css) << 4)
#define NVME_CC_MPS(mps)     ((uint32_t)(mps) << 7)
#define NVME_CC_AMS(ams)     ((uint32_t)(ams) << 11)
#define NVME_CC_SHN_NORMAL   (1u << 14)
#define NVME_CC_SHN_ABRUPT   (2u << 14)
#define NVME_CC_SHN_MASK     (3u << 14)
#define NVME_CC_IOSQES(n)    ((uint32_t)(n) << 16) /**< log2 bytes: 6 */
#define NVME_CC_IOCQES(n)    ((uint32_t)(n) << 20) /**< log2 bytes: 4 */

#define NVME_CSTS_RDY	     0x1u
#define NVME_CSTS_CFS	     0x2u
#define NVME_CSTS_SHST_MASK  (3u << 2)
#define NVME_CSTS_SHST_OCCURRING (1u << 2)
#define NVME_CSTS_SHST_COMPLETE (2u << 2)

#define NVME_CMBLOC_BIR(v)   ((v) & 0x7u)
#define NVME_CMBLOC_CQMMS    (1u << 3) /**< CQs may be in CMB and host mixed; see 3.1.11 */
#define NVME_CMBLOC_CQPDS    (1u << 4)
#define NVME_CMBLOC_CDPMLS   (1u << 5)
#define NVME_CMBLOC_CDPCILS  (1u << 6)
#define NVME_CMBLOC_CDMMMS   (1u << 7)
#define NVME_CMBLOC_CQDA     (1u << 8)
#define NVME_CMBLOC_OFST(v)  ((v) >> 12) /**< in units of CMBSZ.SZU */

#define NVME_CMBSZ_SQS	     (1u << 0) /**< submission queues may be in the CMB */
#define NVME_CMBSZ_CQS	     (1u << 1) /**< completion queues may be in the CMB */
#define NVME_CMBSZ_LISTS     (1u << 2) /**< PRP and SGL lists may be in the CMB */
#define NVME_CMBSZ_RDS	     (1u << 3) /**< data of controller-to-host commands may be */
#define NVME_CMBSZ_WDS	     (1u << 4) /**< data of host-to-controller commands may be */
#define NVME_CMBSZ_SZU(v)    (((v) >> 8) & 0xfu) /**< unit is 4096 << (4 * SZU) bytes */
#define NVME_CMBSZ_SZ(v)     ((v) >> 12)

#define NVME_CMBMSC_CRE	     0x1ull /**< CMBLOC and CMBSZ show their values */
#define NVME_CMBMSC_CMSE     0x2ull /**< the controller answers at CBA */
#define NVME_CMBMSC_CBA(v)   ((v) & ~0xfffull)
#define NVME_CMBSTS_CBAI     0x1u /**< the base address is invalid */

#define NVME_PMRCAP_RDS	     (1u << 3)
#define NVME_PMRCAP_WDS	     (1u << 4)
#define NVME_PMRCAP_BIR(v)   (((v) >> 5) & 0x7u)
#define NVME_PMRCAP_PMRTU(v) (((v) >> 8) & 0x3u) /**< timeout unit: 0 is 500 ms, 1 is a minute */
#define NVME_PMRCAP_PMRWBM(v) (((v) >> 10) & 0xfu)
#define NVME_PMRCAP_PMRTO(v) (((v) >> 16) & 0xffu)
#define NVME_PMRCAP_CMSS     (1u << 24) /**< the controller memory space is supported */
#define NVME_PMRCTL_EN	     0x1u
#define NVME_PMRSTS_ERR(v)   ((v) & 0xffu)
#define NVME_PMRSTS_NRDY     (1u << 8)
#define NVME_PMRSTS_CBAI     (1u << 12)
#define NVME_PMREBS_UNIT(v)  ((v) & 0xfu)
#define NVME_PMRMSC_CMSE     0x2ull
/** @} */

/** @name Admin opcodes (5) @{ */
#define NVME_ADM_DELETE_SQ    0x00u
#define NVME_ADM_CREATE_SQ    0x01u
#define NVME_ADM_GET_LOG_PAGE 0x02u
#define NVME_ADM_DELETE_CQ    0x04u
#define NVME_ADM_CREATE_CQ    0x05u
#define NVME_ADM_IDENTIFY     0x06u
#define NVME_ADM_ABORT	      0x08u
#define NVME_ADM_SET_FEATURES 0x09u
#define NVME_ADM_GET_FEATURES 0x0au
#define NVME_ADM_AER	      0x0cu
#define NVME_ADM_FORMAT	      0x80u
/** @} */

/** @name NVM command set opcodes (6) @{ */
#define NVME_CMD_FLUSH	      0x00u
#define NVME_CMD_WRITE	      0x01u
#define NVME_CMD_READ	      0x02u
#define NVME_CMD_COMPARE      0x05u
#define NVME_CMD_WRITE_ZEROES 0x08u
#define NVME_CMD_DSM	      0x09u
#define NVME_CMD_COPY	      0x19u
/** @} */

/** @name Feature identifiers (5.21.1) @{ */
#define NVME_FEAT_ARBITRATION	  0x01u
#define NVME_FEAT_POWER_MGMT	  0x02u
#define NVME_FEAT_TEMP_THRESHOLD  0x04u
#define NVME_FEAT_ERROR_RECOVERY  0x05u
#define NVME_FEAT_VWC		  0x06u
#define NVME_FEAT_NUM_QUEUES	  0x07u
#define NVME_FEAT_IRQ_COALESCING  0x08u
#define NVME_FEAT_IRQ_VECTOR	  0x09u
#define NVME_FEAT_WRITE_ATOMICITY 0x0au
#define NVME_FEAT_ASYNC_EVENT	  0x0bu
/** @} */

/** Submission queue entry (4.2). */
struct pl_nvme_sqe {
	uint8_t opc;
	uint8_t flags; /**< FUSE 1:0, PSDT 7:6 */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2;
	uint32_t cdw3;
	uint64_t mptr;
	uint64_t prp1;
	uint64_t prp2;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
};
PL_STATIC_ASSERT(sizeof(struct pl_nvme_sqe) == 64, "SQE is 64 bytes");

/** Completion queue entry (4.6). */
struct pl_nvme_cqe {
	uint32_t dw0; /**< command specific */
	uint32_t dw1;
	uint16_t sqhd;
	uint16_t sqid;
	uint16_t cid;
	uint16_t status; /**< phase tag in bit 0, status field in 15:1 */
};
PL_STATIC_ASSERT(sizeof(struct pl_nvme_cqe) == 16, "CQE is 16 bytes");

/**
 * @name Status field (4.6.1)
 * The 15 bits without the phase tag: SC in 7:0, SCT in 10:8, CRD in 12:11, More 13, DNR 14.
 * @{
 */
#define NVME_SC(status)	      ((status) & 0xffu)
#define NVME_SCT(status)      (((status) >> 8) & 0x7u)
#define NVME_STATUS_CODE(status) ((status) & 0x7ffu) /**< SCT and SC, without CRD, M and DNR */
#define NVME_STATUS_MORE      0x2000u
#define NVME_STATUS_DNR	      0x4000u

#define NVME_SC_SUCCESS			0x000u
#define NVME_SC_INVALID_OPCODE		0x001u
#define NVME_SC_INVALID_FIELD		0x002u
#define NVME_SC_CID_CONFLICT		0x003u
#define NVME_SC_DATA_TRANSFER_ERROR	0x004u
#define NVME_SC_POWER_LOSS_ABORT	0x005u
#define NVME_SC_INTERNAL_ERROR		0x006u
#define NVME_SC_ABORT_REQUESTED		0x007u
#define NVME_SC_ABORT_SQ_DELETED	0x008u
#define NVME_SC_INVALID_NAMESPACE	0x00bu
#define NVME_SC_COMMAND_SEQUENCE_ERROR	0x00cu
#define NVME_SC_INVALID_CMB_USE		0x012u
#define NVME_SC_PRP_OFFSET_INVALID	0x013u
#define NVME_SC_LBA_OUT_OF_RANGE	0x080u
#define NVME_SC_CAPACITY_EXCEEDED	0x081u
#define NVME_SC_NS_NOT_READY		0x082u

#define NVME_SC_CQ_INVALID		0x100u
#define NVME_SC_QID_INVALID		0x101u
#define NVME_SC_QUEUE_SIZE_INVALID	0x102u
#define NVME_SC_ABORT_LIMIT_EXCEEDED	0x103u
#define NVME_SC_AER_LIMIT_EXCEEDED	0x105u
#define NVME_SC_INVALID_IRQ_VECTOR	0x108u
#define NVME_SC_INVALID_LOG_PAGE	0x109u
#define NVME_SC_QUEUE_DELETION_INVALID	0x10cu
#define NVME_SC_FEATURE_NOT_SAVEABLE	0x10du
#define NVME_SC_FEATURE_NOT_CHANGEABLE	0x10eu
#define NVME_SC_CONFLICTING_ATTRIBUTES	0x180u
#define NVME_SC_COPY_SIZE_LIMIT		0x183u /**< Command Size Limit Exceeded (Copy) */

#define NVME_SC_WRITE_FAULT		0x280u
#define NVME_SC_UNRECOVERED_READ	0x281u
#define NVME_SC_COMPARE_FAILURE		0x285u
#define NVME_SC_ZONE_BOUNDARY_ERROR	0x1b8u
/** @} */

/** @name Identify: CNS values, and types of namespace identification descriptors (5.15.1) @{ */
#define NVME_CNS_NS	   0x00u
#define NVME_CNS_CTRL	   0x01u
#define NVME_CNS_ACTIVE_NS 0x02u
#define NVME_CNS_NS_DESCS  0x03u
#define NVME_NIDT_EUI64	   0x01u
#define NVME_NIDT_NGUID	   0x02u
#define NVME_CNS_CSI_NS	   0x05u /**< of the command set that cdw11 names, 2.0 */
#define NVME_NIDT_UUID	   0x03u
#define NVME_NIDT_CSI	   0x04u /**< command set identifier, 2.0 */
#define NVME_CSI_NVM	   0x00u
#define NVME_CSI_ZONED	   0x02u
#define NVME_CSI_CDW11(csi) ((uint32_t)(csi) << 24)
/** @} */

/** Identify Namespace data of the Zoned Namespace Command Set, CNS 05h (its specification, 4.1.5.1). */
struct __attribute__((packed)) pl_nvme_id_ns_zoned {
	uint8_t rsvd0[2816];
	struct {
		uint64_t zsze; /**< LBAs of a zone */
		uint8_t rsvd8[8];
	} lbafe[64]; /**< for each LBA format */
	uint8_t rsvd3840[256];
};
PL_STATIC_ASSERT(sizeof(struct pl_nvme_id_ns_zoned) == 4096, "Identify data is 4096 bytes");

/** LBA format (5.15.2.1, figure 249). */
struct pl_nvme_lbaf {
	uint16_t ms;
	uint8_t lbads; /**< log2 bytes */
	uint8_t rp;
};

/** Identify Controller data, CNS 01h (5.15.2.2); fields that Peerlane does not use are reserved. */
struct __attribute__((packed)) pl_nvme_id_ctrl {
	uint16_t vid;
	uint16_t ssvid;
	char sn[20];
	char mn[40];
	char fr[8];
	uint8_t rab;
	uint8_t ieee[3];
	uint8_t cmic;
	uint8_t mdts; /**< log2 of the limit in units of CAP.MPSMIN; 0: none */
	uint16_t cntlid;
	uint32_t ver;
	uint32_t rtd3r;
	uint32_t rtd3e; /**< microseconds that a shutdown may take; 0: not reported */
	uint32_t oaes;
	uint32_t ctratt;
	uint8_t rsvd100[11];
	uint8_t cntrltype;
	uint8_t rsvd112[144];
	uint16_t oacs;
	uint8_t acl;
	uint8_t aerl; /**< 0's based */
	uint8_t frmw;
	uint8_t lpa;
	uint8_t elpe;
	uint8_t npss;
	uint8_t avscc;
	uint8_t apsta;
	uint16_t wctemp;
	uint16_t cctemp;
	uint8_t rsvd270[242];
	uint8_t sqes; /**< 3:0 required, 7:4 maximum; log2 bytes */
	uint8_t cqes;
	uint16_t maxcmd;
	uint32_t nn;
	uint16_t oncs;
	uint16_t fuses;
	uint8_t fna;
	uint8_t vwc;
	uint16_t awun;
	uint16_t awupf;
	uint8_t nvscc;
	uint8_t nwpc;
	uint16_t acwu;
	uint16_t ocfs; /**< Optional Copy Formats Supported (1.4 TP 4065, 2.0) */
	uint32_t sgls;
	uint32_t mnan;
	uint8_t rsvd544[224];
	char subnqn[256];
	uint8_t rsvd1024[1024];
	uint8_t psd[32][32];
	uint8_t vs[1024];
};
PL_STATIC_ASSERT(sizeof(struct pl_nvme_id_ctrl) == 4096, "Identify data is 4096 bytes");

#define NVME_CMIC_CTRLRS       (1u << 1) /**< its subsystem may have two or more controllers */
#define NVME_ONCS_COMPARE      (1u << 0)
#define NVME_ONCS_DSM	       (1u << 2)
#define NVME_ONCS_WRITE_ZEROES (1u << 3)
#define NVME_ONCS_SAVE_SELECT  (1u << 4) /**< Save and Select fields of Set/Get Features */
#define NVME_ONCS_COPY	       (1u << 8)
#define NVME_VWC_PRESENT       (1u << 0) /**< a volatile write cache */

/** Identify Namespace data, CNS 00h (5.15.2.1). */
struct __attribute__((packed)) pl_nvme_id_ns {
	uint64_t nsze; /**< LBAs */
	uint64_t ncap;
	uint64_t nuse;
	uint8_t nsfeat;
	uint8_t nlbaf; /**< 0's based */
	uint8_t flbas;
	uint8_t mc;
	uint8_t dpc;
	uint8_t dps;
	uint8_t nmic;
	uint8_t rescap;
	uint8_t fpi;
	uint8_t dlfeat;
	uint16_t nawun;
	uint16_t nawupf;
	uint16_t nacwu;
	uint16_t nabsn;
	uint16_t nabo;
	uint16_t nabspf;
	uint16_t noiob;
	uint8_t nvmcap[16];
	uint16_t npwg;
	uint16_t npwa;
	uint16_t npdg;
	uint16_t npda;
	uint16_t nows;
	uint16_t mssrl; /**< Copy: LBAs a source range may have */
	uint32_t mcl;	/**< Copy: LBAs a command may have */
	uint8_t msrc;	/**< Copy: source ranges, 0's based */
	uint8_t rsvd81;
	uint8_t nulbaf; /**< more LBA formats, behind those of nlbaf (2.0) */
	uint8_t rsvd83[9];
	uint32_t anagrpid;
	uint8_t rsvd96[3];
	uint8_t nsattr;
	uint16_t nvmsetid;
	uint16_t endgid;
	uint8_t nguid[16];
	uint8_t eui64[8];
	struct pl_nvme_lbaf lbaf[64]; /**< 16 before 2.0 */
	uint8_t vs[3712];
};
PL_STATIC_ASSERT(sizeof(struct pl_nvme_id_ns) == 4096, "Identify data is 4096 bytes");
#define NVME_NMIC_SHARED (1u << 0) /**< other controllers may have it attached at the same time */

/** Dataset Management range (6.7). */
struct pl_nvme_dsm_range {
	uint32_t cattr;
	uint32_t nlb; /**< LBAs, 1's based */
	uint64_t slba;
};
PL_STATIC_ASSERT(sizeof(struct pl_nvme_dsm_range) == 16, "DSM range is 16 bytes");
#define NVME_DSM_DEALLOCATE 0x4u /**< cdw11: Attribute - Deallocate */

/** Copy source range, descriptor format 0 (TP 4065). */
struct pl_nvme_copy_range {
	uint64_t rsvd0;
	uint64_t slba;
	uint16_t nlb; /**< LBAs, 0's based */
	uint16_t rsvd18;
	uint32_t rsvd20;
	uint32_t eilbrt;
	uint16_t elbat;
	uint16_t elbatm;
};
PL_STATIC_ASSERT(sizeof(struct pl_nvme_copy_range) == 32, "copy range is 32 bytes");

/** @name cdw12 of read and write commands @{ */
#define NVME_CDW12_LR  (1u << 31) /**< Limited Retry */
#define NVME_CDW12_FUA (1u << 30) /**< Force Unit Access */
/** @} */

#ifdef __cplusplus
}
#endif
#endif
