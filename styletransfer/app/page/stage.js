// The stage: what is to be painted, the frame that is being painted, or both clips in step.
const stage = element.querySelector('.st-stage');
const pair = stage.querySelector('.st-pair');
const [left, right] = pair.querySelectorAll('figure');
const [before, after] = pair.querySelectorAll('video');
const play = stage.querySelector('.st-play');
const scrub = stage.querySelector('.st-scrub');
const time = stage.querySelector('.st-time');
const wipe = stage.querySelector('.st-wipe');
const divider = stage.querySelector('.st-divider');
const save = stage.querySelector('.st-save');
const bar = stage.querySelector('progress');
const words = stage.querySelector('[role=status]');

let clip = null; // what is played: addresses, frames, fps

// ---------------------------------------------------------------- both clips in step

const frameOf = (video) => Math.min(Math.floor(video.currentTime * clip.fps + 0.01), clip.frames - 1);

function seek(frame) { // to the middle of it, where rounding cannot miss it
  const at = (Math.max(0, Math.min(frame, clip.frames - 1)) + 0.5) / clip.fps;
  before.currentTime = after.currentTime = at;
  tell(frame);
}

function tell(frame) {
  scrub.value = frame;
  time.textContent = `${(frame / clip.fps).toFixed(1)} / ${(clip.frames / clip.fps).toFixed(1)} s`;
  scrub.setAttribute('aria-valuetext', `frame ${frame + 1} of ${clip.frames}`);
}

function follow() { // the painted clip leads, the original keeps up with it
  if (!clip || after.paused) return;
  const late = after.currentTime - before.currentTime;
  if (Math.abs(late) > 4 / clip.fps) before.currentTime = after.currentTime;
  before.playbackRate = Math.max(0.5, Math.min(2, 1 + 4 * late));
  tell(frameOf(after));
  if (after.currentTime >= clip.frames / clip.fps) pause();
  else requestAnimationFrame(follow);
}

async function start() {
  if (frameOf(after) >= clip.frames - 1) seek(0);
  before.currentTime = after.currentTime;
  play.textContent = 'PAUSE';
  try {
    await Promise.all([before.play(), after.play()]);
    requestAnimationFrame(follow);
  } catch { // the clip was changed meanwhile
    pause();
  }
}

function pause() {
  before.pause();
  after.pause();
  play.textContent = 'PLAY';
  if (clip) seek(frameOf(after));
}

play.addEventListener('click', () => (after.paused ? start() : pause()));
after.addEventListener('ended', pause);
scrub.addEventListener('input', () => {
  if (!after.paused) pause();
  seek(Number(scrub.value));
});

// ---------------------------------------------------------------- the divider

function divide() {
  stage.dataset.view = wipe.checked ? 'wipe' : 'side';
  divider.disabled = !wipe.checked;
  pair.style.setProperty('--at', `${divider.value}%`);
}

function drag(event) {
  if (!wipe.checked || stage.dataset.mode !== 'play' || event.buttons !== 1) return;
  const box = pair.getBoundingClientRect();
  divider.value = (100 * (event.clientX - box.left)) / box.width;
  divide();
  event.preventDefault();
}

wipe.addEventListener('change', divide);
divider.addEventListener('input', divide);
pair.addEventListener('pointerdown', drag);
pair.addEventListener('pointermove', drag);

// ---------------------------------------------------------------- what is shown

function put(figure, addresses, caption) {
  const box = figure.querySelector('.st-pictures');
  while (box.children.length > addresses.length) box.lastChild.remove();
  while (box.children.length < addresses.length) box.append(document.createElement('img'));
  addresses.forEach((address, i) => {
    if (box.children[i].getAttribute('src') !== address) box.children[i].src = address;
    box.children[i].alt = caption;
  });
  figure.querySelector('figcaption').textContent = caption;
}

function load(next) {
  if (JSON.stringify(next) === JSON.stringify(clip)) return;
  pause();
  clip = next;
  if (!clip) {
    before.removeAttribute('src');
    after.removeAttribute('src');
    return;
  }
  before.src = clip.original;
  after.src = clip.painted;
  scrub.max = clip.frames - 1;
  save.href = clip.painted;
  save.download = clip.name;
  seek(0);
}

function show() {
  const { clip: source, styles = [], words: hint = '', job } = props.value ?? {};
  const mode = job?.play ? 'play' : job?.live ? 'live' : source || styles.length ? 'plan' : 'empty';
  stage.dataset.mode = mode;
  stage.dataset.state = job?.state ?? '';
  load(mode === 'play' ? job.play : null);
  put(left, mode === 'live' ? [job.live[0]] : source ? [source] : [], 'Original');
  put(right, mode === 'live' ? [job.live[1]] : styles, mode === 'plan' ? 'Style' : 'Painted');
  if (bar.value !== (job?.share ?? 0)) bar.value = job?.share ?? 0;
  const said = job?.words ?? hint;
  if (words.textContent !== said) words.textContent = said;
}

divide();
watch('value', show);
show();
