// SPDX-License-Identifier: GPL-2.0
/*
 * Read the memory of an OOM victim without faulting it in, because a fault
 * allocates and may block.
 *
 * Memory that was mapped but never touched reads as a fault would fill it.
 */
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/mmu_context.h>
#include <linux/pagemap.h>
#include <linux/secretmem.h>
#include <linux/shmem_fs.h>
#include <linux/uaccess.h>

#include "internal.h"
#include "oom_robust.h"
#include "swap.h"

/* Copy from an anonymous page that is mapped by a page table entry */
static int read_pte(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr,
		    void *buf, size_t len, swp_entry_t *swapped)
{
	struct page *page;
	spinlock_t *ptl;	/* keeps the page mapped */
	pte_t *ptep, pte;
	int err = -EAGAIN;

	ptep = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!ptep)
		return -EAGAIN;
	__acquire(ptl);

	pte = ptep_get(ptep);
	if (pte_none(pte)) {
		err = -ENOENT;
	} else if (!pte_present(pte)) {
		err = swap_peek_pte(pte, offset_in_page(addr), buf, len,
				    swapped);
	} else {
		page = vm_normal_page(vma, addr, pte);
		if (page && is_page_hwpoison(page)) {
			err = -EFAULT;
		} else if (page) {
			memcpy_from_page(buf, page, offset_in_page(addr), len);
			err = 0;
		} else if (is_zero_pfn(pte_pfn(pte))) {
			memset(buf, 0, len);
			err = 0;
		}
	}
	pte_unmap_unlock(ptep, ptl);
	return err;
}

/* Copy from the page that is mapped at @addr in a private mapping */
static int read_mapped(struct vm_area_struct *vma, unsigned long addr,
		       void *buf, size_t len, swp_entry_t *swapped)
{
	pmd_t *pmd = mm_find_pmd(vma->vm_mm, addr);
	spinlock_t *ptl;	/* keeps the huge page mapped */
	int err = -EAGAIN;

	if (!pmd || pmd_none(pmdp_get_lockless(pmd)))
		return -ENOENT;

	ptl = pmd_trans_huge_lock(pmd, vma);
	if (!ptl)
		return read_pte(vma, pmd, addr, buf, len, swapped);
	__acquire(ptl);

	if (pmd_present(*pmd)) {
		struct page *page = pmd_page(*pmd);

		page += (addr & ~PMD_MASK) >> PAGE_SHIFT;
		if (!is_page_hwpoison(page)) {
			memcpy_from_page(buf, page, offset_in_page(addr), len);
			err = 0;
		}
	}
	spin_unlock(ptl);
	return err;
}

/* Copy from the page cache of the file that is mapped at @addr */
static int read_file(struct vm_area_struct *vma, unsigned long addr,
		     void *buf, size_t len, swp_entry_t *swapped)
{
	struct address_space *mapping = vma->vm_file->f_mapping;
	pgoff_t index = linear_page_index(vma, addr);
	struct folio *folio;
	struct page *page;
	int err = -EAGAIN;

	folio = filemap_get_entry(mapping, index);
	if (xa_is_value(folio) && shmem_mapping(mapping))
		return swap_peek_shmem(mapping, index, folio,
				       offset_in_page(addr), buf, len, swapped);
	if (!folio || xa_is_value(folio))
		return -EAGAIN;

	page = folio_file_page(folio, index);
	if (is_page_hwpoison(page)) {
		err = -EFAULT;
	} else if (folio_test_uptodate(folio) && folio_contains(folio, index)) {
		memcpy_from_page(buf, page, offset_in_page(addr), len);
		err = 0;
	}
	folio_put(folio);
	return err;
}

/*
 * Copy from a VMA that is locked for write: fork() keeps every VMA that it has
 * copied locked, however long the rest takes.  Borrow the mm and let the MMU
 * look up the address.  This fails for pages that would need a fault: those in
 * swap, those that wait for a NUMA hinting fault, and those whose accessed bit
 * must be set by software.  A task that has an mm of its own cannot borrow one.
 */
static int read_borrowed(struct mm_struct *mm, unsigned long addr, void *buf,
			 size_t len)
{
	long err;

	if (!(current->flags & PF_KTHREAD))
		return -EAGAIN;

	kthread_use_mm(mm);
	err = copy_from_user_nofault(buf, (void __user *)addr, len);
	kthread_unuse_mm(mm);
	return err ? -EAGAIN : 0;
}

/* Copy from one page: @addr + @len is not beyond its end */
static int read_page(struct oom_reap *reap, unsigned long addr, void *buf,
		     size_t len, swp_entry_t *swapped)
{
	struct vm_area_struct *vma;
	int err;

	addr &= mm_untag_mask(reap->mm);
	vma = oom_reap_lock_vma(reap, addr);
	if (vma == ERR_PTR(-EAGAIN))
		return read_borrowed(reap->mm, addr, buf, len);
	if (IS_ERR(vma))
		return PTR_ERR(vma);

	/* Secret memory is not mapped in the kernel either */
	if ((vma->vm_flags & VM_PFNMAP) || vma_is_secretmem(vma))
		err = -EAGAIN;
	else if (vma->vm_file && (vma->vm_flags & VM_SHARED))
		err = read_file(vma, addr, buf, len, swapped);
	else if (is_vm_hugetlb_page(vma))
		err = -EAGAIN;
	else
		err = read_mapped(vma, addr, buf, len, swapped);

	if (err == -ENOENT && vma->vm_file) {
		err = read_file(vma, addr, buf, len, swapped);
	} else if (err == -ENOENT) {
		/* Anonymous memory that was never touched */
		memset(buf, 0, len);
		err = 0;
	}
	oom_reap_unlock_vma(reap, vma);
	return err;
}

/**
 * oom_peek() - copy from the memory of a victim, without faulting it in
 * @reap: the pass
 * @addr: the address in the victim
 * @buf: buffer to copy to
 * @len: number of bytes to copy
 * @swapped: out: a swap entry, with -ENODATA
 *
 * Context: @reap holds mmap_lock or mm_users.  Does not wait.
 * Return: 0, or -EFAULT if the victim cannot read it either, or -ENODATA if a
 * page must be read from swap first, see swap_fetch(), or -EAGAIN or -EIO if it
 * cannot be read now.
 */
int oom_peek(struct oom_reap *reap, unsigned long addr, void *buf, size_t len,
	     swp_entry_t *swapped)
{
	while (len) {
		size_t part = min_t(size_t, len,
				    PAGE_SIZE - offset_in_page(addr));
		int err = read_page(reap, addr, buf, part, swapped);

		if (err)
			return err;
		addr += part;
		buf += part;
		len -= part;
	}
	return 0;
}
