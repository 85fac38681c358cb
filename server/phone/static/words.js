// All that the page says, in both languages. {unit} is what the pool calls its points.

const ZH = {
  title: "居民码",
  enrolTitle: "登记这部手机",
  enrolText: "请输入社区给您的登记码（12 个字母）。",
  enrolButton: "登记",
  enrolling: "正在登记…",
  enrolled: "登记好了。请把本页添加到主屏幕，没有网络也能用。",
  wrongCode: "登记码不对或已失效，请向社区要一个新的。",
  noNetwork: "没有网络，连不上服务器。请连上网络再试。",
  serverBusy: "服务器忙，请过一会儿再试。",
  needsHttps: "这个地址不安全（http），浏览器不让本页做密钥、开相机，不能登记也不能出示。请把地址开头改成 https:// 再打开；还不行，请用积分卡，并告诉社区。",
  clockOff: "手机的时间不准。请在设置里打开“自动设置时间”。",
  balance: "我的{unit}",
  overdraft: "断网时多用了 {points} {unit}，以后得到的先补上。",
  owed: "要收回的 {unit} 还差 {points}，以后得到的先补上。",
  asOf: "{when} 的数",
  codeFor: "请对准商店的扫码枪",
  renewsIn: "{seconds} 秒后换新码",
  renew: "换一个新码",
  showLimit: "直接出示，一次最多用 {points} {unit}。更多的，商店会请您扫码确认。",
  slotText: "这是备用码，本机的密钥不在了。连上网络后请到社区重新登记。",
  countersOut: "这部手机的码用完了，请向社区要一个新的登记码，重新登记。",
  slotNone: "没有可用的码。请连上网络；还不行，请用积分卡。",
  tabShow: "出示",
  tabConfirm: "扫码确认",
  tabRecord: "记录",
  scanText: "请对准商店屏幕上的码",
  cameraNone: "打不开相机。请允许使用相机，或请店员按“不确认”。",
  decoderNone: "这个浏览器不能扫码。请换一个浏览器，或请店员按“不确认”。",
  notChallenge: "这不是本积分池商店的确认码，请不要确认。",
  askShop: "商店",
  askPoints: "最多使用",
  askYes: "确认使用",
  askNo: "不同意",
  answerText: "请让店员扫这个码",
  answerDone: "完成",
  recordNone: "还没有记录。",
  offlineRecord: "没有网络，这是 {when} 的记录。",
  speak: "读出来",
  speakConfirm: "{shop}，最多使用 {points} {unit}。同意请按确认使用。",
  speakShow: "请对准扫码枪。您有 {points} {unit}。",
  receiptTitle: "核对小票",
  receiptScanText: "请对准小票上的二维码",
  receiptCameraNone: "打不开相机。请允许使用相机，或在下面输入单号和核对码。",
  receiptNeedsHttps: "这个地址不安全（http），浏览器不让用相机。请用 https:// 打开本页，或在下面输入小票上的单号和核对码。",
  receiptDecoderNone: "这个浏览器不能扫码。请在下面输入小票上的单号和核对码。",
  receipt_whole: "小票属实",
  receipt_untold: "小票属实，还没入账",
  receipt_altered: "小票对不上",
  receipt_unknown: "查不到这张小票",
  compare: "请与纸上的数逐项比较；不一样，请拿小票到社区。",
  checking: "正在核对…",
  scan: "扫小票上的码",
  stop: "不扫了",
  orType: "或者输入小票上的字",
  receiptNo: "单号",
  check: "核对码（10 位数字）",
  checkButton: "核对",
  kind: "种类",
  sale: "消费",
  refund: "退货",
  shop: "商店",
  time: "时间",
  total: "合计",
  pointsUsed: "用的",
  pointsBack: "退回的",
  cash: "另付",
  cashBack: "退现金",
  yuan: "元",
  language: "English",
};

const EN = {
  title: "Resident code",
  enrolTitle: "Register this phone",
  enrolText: "Type the code from the community office (12 letters).",
  enrolButton: "Register",
  enrolling: "Registering…",
  enrolled: "Done. Add this page to the home screen: it works without a network.",
  wrongCode: "The code is wrong or too old. Ask the community office for a new one.",
  noNetwork: "No network: the server cannot be reached. Connect and try again.",
  serverBusy: "The server is busy. Try again in a moment.",
  needsHttps: "This address is not secure (http), and browsers allow no keys and no camera here: this page can neither register nor show a code. Open it with https:// at the start of the address. If that fails, use the card and tell the community office.",
  clockOff: "This phone's clock is wrong. Switch on automatic time in the settings.",
  balance: "My {unit}",
  overdraft: "{points} {unit} used offline beyond your balance. Earned ones cover it first.",
  owed: "{points} {unit} to give back. Earned ones cover it first.",
  asOf: "as of {when}",
  codeFor: "Hold it before the shop's scanner",
  renewsIn: "new code in {seconds} s",
  renew: "New code now",
  showLimit: "Showing is good for {points} {unit} a sale. For more the shop asks you to confirm.",
  slotText: "This is a spare code: the phone's key is gone. Register again at the community office.",
  countersOut: "This phone has used up its codes. Ask the community office for a new registration code.",
  slotNone: "No code left. Connect to the network, or use the card.",
  tabShow: "Show",
  tabConfirm: "Confirm",
  tabRecord: "Record",
  scanText: "Point at the code on the shop's screen",
  cameraNone: "The camera does not open. Allow it, or ask the cashier for “No confirmation”.",
  decoderNone: "This browser cannot read codes. Use another, or ask the cashier for “No confirmation”.",
  notChallenge: "This is not a shop of this pool. Do not confirm.",
  askShop: "Shop",
  askPoints: "At most",
  askYes: "Confirm",
  askNo: "No",
  answerText: "Let the cashier scan this",
  answerDone: "Done",
  recordNone: "Nothing yet.",
  offlineRecord: "No network: the record of {when}.",
  speak: "Read aloud",
  speakConfirm: "{shop}. At most {points} {unit}. Press confirm if you agree.",
  speakShow: "Hold it before the scanner. You have {points} {unit}.",
  receiptTitle: "Check a receipt",
  receiptScanText: "Point at the code on the receipt",
  receiptCameraNone: "The camera does not open. Allow it, or type the numbers below.",
  receiptNeedsHttps: "This address is not secure (http), and browsers allow no camera here. Open this page with https://, or type the receipt’s number and check number below.",
  receiptDecoderNone: "This browser cannot read codes. Type the numbers on the receipt below.",
  receipt_whole: "Genuine",
  receipt_untold: "Genuine, not in the books yet",
  receipt_altered: "Does not fit",
  receipt_unknown: "Not known",
  compare: "Compare with the paper, figure by figure. If they differ, take it to the community office.",
  checking: "Checking…",
  scan: "Scan the receipt’s code",
  stop: "Stop",
  orType: "Or type what stands on it",
  receiptNo: "No.",
  check: "Check number (10 digits)",
  checkButton: "Check",
  kind: "Kind",
  sale: "sale",
  refund: "refund",
  shop: "Shop",
  time: "Time",
  total: "Total",
  pointsUsed: "Used",
  pointsBack: "Given back",
  cash: "Paid besides",
  cashBack: "Cash back",
  yuan: "yuan",
  language: "中文",
};

const KEPT = "huidian-language";
const prefers = () => {
  const kept = localStorage.getItem(KEPT);
  if (kept) return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
};

export let language = prefers();

export function turnLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem(KEPT, language);
}

export function say(name, figures = {}) {
  const text = (language === "zh" ? ZH : EN)[name];
  return text.replace(/\{(\w+)\}/g, (_, key) => String(figures[key] ?? ""));
}

// The server says a thing in both languages, one after the other.
export const half = (says) => says.split(" / ")[language === "zh" ? 0 : 1] ?? says;

export function speak(text) {
  if (!("speechSynthesis" in window)) return;
  const spoken = new SpeechSynthesisUtterance(text);
  spoken.lang = language === "zh" ? "zh-CN" : "en";
  spoken.rate = 0.9;
  speechSynthesis.cancel();
  speechSynthesis.speak(spoken);
}
