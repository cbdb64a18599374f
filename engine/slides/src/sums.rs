//! Moments and products of the tiles of a case: on the processor, or on a device.

use std::cell::RefCell;
use std::rc::Rc;

use osteon_kernels::backend::{Device, DeviceError, DeviceInfo, open};
use osteon_kernels::ops::gram::device::Products;
use osteon_kernels::ops::gram::{self, Workspace};
use osteon_kernels::ops::pool::{BLOCK, Pool, Rows};
use osteon_kernels::simd::Level;

use crate::reduce::Wanted;

thread_local! {
    /// The device that this thread opened last: handles stay in their thread.
    static OPENED: RefCell<Option<(DeviceInfo, Rc<dyn Device>)>> = const { RefCell::new(None) };
}

/// The device, opened once per thread.
fn opened(info: &DeviceInfo) -> Result<Rc<dyn Device>, DeviceError> {
    OPENED.with_borrow_mut(|slot| match slot {
        Some((same, device)) if same == info => Ok(Rc::clone(device)),
        _ => {
            let device: Rc<dyn Device> = Rc::from(open(info)?);
            *slot = Some((info.clone(), Rc::clone(&device)));
            Ok(device)
        }
    })
}

/// Where products are formed.
enum Place {
    Processor(Option<(Workspace, Vec<f64>)>),
    Device { device: Rc<dyn Device>, wanted: bool, products: Option<Products> },
}

/// Sums over the tiles seen so far.
pub(crate) struct Sums {
    /// Moments.
    pub pool: Pool,
    level: Level,
    width: usize,
    place: Place,
}

impl Sums {
    /// No tiles yet.
    pub fn new(width: usize, wanted: &Wanted) -> Result<Self, DeviceError> {
        let place = match &wanted.device {
            Some(info) => Place::Device { device: opened(info)?, wanted: wanted.products, products: None },
            None => Place::Processor(
                wanted
                    .products
                    .then(|| (Workspace::new(width, wanted.precision), vec![0.0; gram::len(width)])),
            ),
        };
        Ok(Self { pool: Pool::new(width, wanted.precision), level: Level::current(), width, place })
    }

    /// Tiles of a piece: a block of products; else what stays in the second-level cache; on a device, whole blocks
    /// of blocks, so that bits do not depend on how a file brings its rows.
    pub fn unit(&self) -> usize {
        match &self.place {
            Place::Processor(Some(_)) => gram::BLOCK,
            Place::Processor(None) => 2 * BLOCK,
            Place::Device { .. } => BLOCK * BLOCK,
        }
    }

    /// Adds tiles to the moments.
    pub fn pool(&mut self, rows: Rows) -> Result<(), DeviceError> {
        match &self.place {
            Place::Processor(_) => self.pool.add(self.level, rows),
            Place::Device { device, .. } => self.pool.add_on(device.as_ref(), rows)?,
        }
        Ok(())
    }

    /// Adds them to the products, about the shift that the first tiles fixed.
    pub fn multiply(&mut self, rows: Rows) -> Result<(), DeviceError> {
        match &mut self.place {
            Place::Processor(None) | Place::Device { wanted: false, .. } => Ok(()),
            Place::Processor(Some((workspace, gram))) => {
                workspace.add(self.level, rows, self.pool.shift(), gram);
                Ok(())
            }
            Place::Device { device, products, .. } => {
                let begun = match products.take() {
                    Some(begun) => begun,
                    None => Products::new(device.as_ref(), self.pool.shift())?,
                };
                products.insert(begun).add(device.as_ref(), rows)
            }
        }
    }

    /// The moments, and the products if there are tiles and they were wanted.
    pub fn finish(self) -> Result<(Pool, Option<Vec<f64>>), DeviceError> {
        let products = match self.place {
            Place::Processor(products) => products.map(|(_, gram)| gram),
            Place::Device { device, products, .. } => {
                let sums = |products: Products| {
                    let mut gram = vec![0.0; gram::len(self.width)];
                    products.finish(device.as_ref(), &mut gram).map(|()| gram)
                };
                products.map(sums).transpose()?
            }
        };
        Ok((self.pool, products))
    }
}

const _: () = assert!((BLOCK * BLOCK).is_multiple_of(gram::RUN), "a piece on a device ends a run");
